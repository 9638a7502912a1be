"""Reads what the API answers as the records that commands print."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote


def path_of(*parts: str) -> str:
    """Returns a path of the API: names are quoted as they were typed."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def record_of(found: dict[str, Any], names: Sequence[str], times: Sequence[str] = ()) -> dict[str, Any]:
    """Returns these values in this order, with `times` as the commands print them."""
    return {
        name: datetime.fromisoformat(found[name]).isoformat() if name in times and found[name] else found[name]
        for name in names
    }
