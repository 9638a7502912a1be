"""Says which migrations this release has, and which one a database is at, without Alembic: every start asks."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from taskyard.core.paths import FILES

MIGRATIONS_DIR = FILES / "sql" / "migrations"
_REVISION = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)


@lru_cache
def revisions() -> tuple[str, ...]:
    """Returns the names of this release's migrations, the newest last."""
    files = (MIGRATIONS_DIR / "versions").glob("[0-9]*.py")
    found = [_REVISION.search(file.read_text(encoding="utf-8")) for file in files]
    return tuple(sorted(match[1] for match in found if match is not None))


def current_revision(value_of: Callable[[str], Any]) -> str | None:
    """Returns the migration that a database is at; None if it has none of our tables.

    `value_of` runs a query and returns the first value that it finds.
    """
    if not value_of("SELECT to_regclass('alembic_version') IS NOT NULL"):
        return None
    version: str | None = value_of("SELECT version_num FROM alembic_version")
    return version
