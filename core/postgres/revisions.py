"""Says which migrations this release has, and which one a database is at, without Alembic: every start asks."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from taskyard.core.paths import FILES

if TYPE_CHECKING:
    from sqlalchemy import Connection

MIGRATIONS_DIR = FILES / "sql" / "migrations"
_REVISION = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)


@lru_cache
def revisions() -> tuple[str, ...]:
    """Returns the names of this release's migrations, the newest last."""
    files = (MIGRATIONS_DIR / "versions").glob("[0-9]*.py")
    found = [_REVISION.search(file.read_text(encoding="utf-8")) for file in files]
    return tuple(sorted(match[1] for match in found if match is not None))


def current_revision(connection: Connection) -> str | None:
    """Returns the migration that a database is at; None if it has none of our tables."""
    if not connection.exec_driver_sql("SELECT to_regclass('alembic_version') IS NOT NULL").scalar():
        return None
    version: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return version
