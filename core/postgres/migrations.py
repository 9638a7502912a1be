"""Migrates the schema, with Alembic on `sql/migrations`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskyard.core.postgres.connections import LOCK_TIMEOUT_MS
from taskyard.core.postgres.database import SQL_DIR, connect_engine
from taskyard.core.postgres.errors import unavailable_when_unreachable

if TYPE_CHECKING:
    from alembic.config import Config

OTHERS_TIMEOUT_MS = 300_000


def migrate(url: str) -> None:
    """Migrates the schema to the newest version; concurrent callers wait for each other, up to OTHERS_TIMEOUT_MS.

    While a change of a table waits for its lock, every other user of the table waits behind it. It therefore gives up
    after LOCK_TIMEOUT_MS and changes nothing. Raises Busy or Unavailable.
    """
    from alembic import command  # slow to import, and needed by few

    with unavailable_when_unreachable():
        engine = connect_engine(url, pool_size=1)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {OTHERS_TIMEOUT_MS}")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('taskyard migration'))")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        engine.dispose()


def migration_state(url: str) -> tuple[str | None, str]:
    """Returns the schema's version in the database (None: not migrated) and the newest version."""
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(alembic_config()).get_current_head() or ""
    engine = connect_engine(url, pool_size=1)
    try:
        with unavailable_when_unreachable(), engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision(), head
    finally:
        engine.dispose()


def alembic_config() -> Config:
    """Returns Alembic's configuration for `sql/migrations`."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SQL_DIR / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
