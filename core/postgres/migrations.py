"""Migrates the schema, with Alembic on `sql/migrations`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from taskyard.core.errors import ConfigurationError
from taskyard.core.postgres.connections import LOCK_TIMEOUT_MS, UTF8, lone_cursor
from taskyard.core.postgres.database import CallerTransaction
from taskyard.core.postgres.errors import unavailable_when_unreachable
from taskyard.core.postgres.pools import connect_engine
from taskyard.core.postgres.revisions import MIGRATIONS_DIR, current_revision, revisions
from taskyard.core.postgres.store import recovery

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

OTHERS_TIMEOUT_MS = 300_000


def migrate(url: str) -> None:
    """Migrates the schema to the newest version; concurrent callers wait for each other, up to OTHERS_TIMEOUT_MS.

    Also creates the audit log's next partitions: events of tasks that are submitted before the first worker starts
    would go to the default one for good.

    While a change of a table waits for its lock, every other user of the table waits behind it. It therefore gives up
    after LOCK_TIMEOUT_MS and changes nothing. A newer release's schema stays as it is. Raises Busy or Unavailable, and
    ConfigurationError for a new database whose encoding can't hold every text.
    """
    from alembic import command  # slow to import, and needed by few

    with unavailable_when_unreachable():
        engine = connect_engine(url, pool_size=1)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {OTHERS_TIMEOUT_MS}")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('taskyard migration'))")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
            state = _state(lambda query: connection.exec_driver_sql(query).scalar())
            if state.version is None:
                _check_encoding(connection)
            if not state.is_newer:
                config = alembic_config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                tx = CallerTransaction(connection)
                recovery.ensure_partitions(tx, datetime.fromtimestamp(recovery.database_time(tx), UTC).date())
        engine.dispose()


def _check_encoding(connection: Connection) -> None:
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != UTF8:
        expected = f"expected {UTF8}, as `createdb --template template0 --encoding {UTF8} NAME` makes it"
        raise ConfigurationError([f"the database's encoding: {encoding} is not accepted: {expected}"])


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The schema's version in a database (None: not migrated), and this release's.

    `is_newer`: it is of a later release. `is_usable`: this release works with it, as the later one says, since
    migrations only add.
    """

    version: str | None
    newest: str
    is_newer: bool
    is_usable: bool


def schema_state(url: str) -> SchemaState:
    """Returns what a database has of our schema; raises Unavailable."""
    with unavailable_when_unreachable(), lone_cursor(url) as cursor:

        def value_of(query: str) -> Any:
            cursor.execute(query)
            row = cursor.fetchone()
            return None if row is None else row[0]

        return _state(value_of)


def _state(value_of: Callable[[str], Any]) -> SchemaState:
    """`value_of` runs a query and returns the first value that it finds."""
    ours = revisions()
    newest = ours[-1]
    version = current_revision(value_of)
    if version is None or version in ours:
        return SchemaState(version, newest, False, version == newest)
    has_reach = value_of("SELECT to_regclass('schema_reach') IS NOT NULL")
    oldest = value_of("SELECT oldest_revision FROM schema_reach") if has_reach else None
    return SchemaState(version, newest, True, oldest in ours)


def alembic_config() -> Config:
    """Returns Alembic's configuration for `sql/migrations`."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_DIR).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
