"""Holds what the modules of the schema share."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import DateTime, MetaData

metadata = MetaData()
instant = DateTime(timezone=True)


def listed(values: Iterable[str]) -> str:
    """Returns the values as a list of SQL literals, in order."""
    return ", ".join(f"'{value}'" for value in sorted(values))
