"""The migrations and `core.postgres.schema` describe the same tables, and the audit log's partitions are made ahead."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg2.errors
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from taskyard.core.health.checks import database_checks
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.migrations import alembic_config, migrate, schema_state
from taskyard.core.postgres.pools import connect_engine
from taskyard.core.postgres.schema import metadata
from taskyard.core.postgres.store import recovery
from taskyard.worker.devtools.prove.upgrade.release import named_release
from tests.servers import REPOSITORY
from tests.unit.leader_state_support import task_id

TODAY = date(2026, 3, 1)
ALEMBIC_TABLE = "alembic_version"


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """The test's database as the migrations made it."""
    engine = connect_engine(database_url, pool_size=1)
    yield engine
    engine.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=1)
    yield database
    database.close()


def downgrade(engine: sa.Engine, revision: str) -> None:
    with engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def is_no_partition(name: str | None, kind: str, parents: object) -> bool:
    return not (kind == "table" and name is not None and name.startswith("task_events_"))


# What a database says about a table: defaults, CHECKs and indexes as PostgreSQL prints them.
COLUMNS = """
    SELECT table_name, column_name, data_type, udt_name, is_nullable, column_default FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name NOT LIKE 'task_events_%'
        AND table_name IN (SELECT tablename FROM pg_tables) ORDER BY 1, 2
"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, contype::text, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE 'task_events_%'
        AND contype <> 'n' ORDER BY 1, 2
"""
INDEXES = """
    SELECT tablename, indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename NOT LIKE 'task_events_%' ORDER BY 1, 2
"""
OPTIONS = """
    SELECT relname, reloptions, pg_get_partkeydef(oid) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname NOT LIKE 'task_events_%'
    ORDER BY 1
"""


def described(connection: sa.Connection) -> dict[str, list[tuple[Any, ...]]]:
    questions = {"columns": COLUMNS, "constraints": CONSTRAINTS, "indexes": INDEXES, "options": OPTIONS}
    return {
        topic: [tuple(row) for row in connection.execute(sa.text(question)) if row[0] != ALEMBIC_TABLE]
        for topic, question in questions.items()
    }


def test_alembic_finds_no_difference(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": True, "include_name": is_no_partition},
        )
        assert compare_metadata(context, metadata) == []


def test_postgresql_sees_the_same_tables(engine: sa.Engine, database_url: str) -> None:
    """Also CHECKs, defaults and storage options, which Alembic does not compare."""
    with engine.connect() as connection:
        migrated = described(connection)
    downgrade(engine, "base")
    with engine.begin() as connection:
        metadata.create_all(connection)
        created = described(connection)
    assert len(migrated["columns"]) > 50
    for topic, rows in migrated.items():
        assert created[topic] == rows, topic


def test_down_and_up_again(engine: sa.Engine, database_url: str) -> None:
    with engine.connect() as connection:
        before = described(connection)
    downgrade(engine, "base")
    with engine.connect() as connection:
        assert [name for name in sa.inspect(connection).get_table_names() if name != ALEMBIC_TABLE] == []
    assert schema_state(database_url).version is None
    migrate(database_url)
    migrate(database_url)
    state = schema_state(database_url)
    assert state.version == state.newest
    with engine.connect() as connection:
        assert described(connection) == before


@pytest.mark.parametrize(("oldest", "is_usable"), [("0032", True), ("9001", False), (None, False)])
def test_a_schema_of_a_newer_release_says_who_may_use_it(
    engine: sa.Engine, database_url: str, oldest: str | None, is_usable: bool
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9002'")
        if oldest is None:
            connection.exec_driver_sql("DELETE FROM schema_reach")
        else:
            connection.exec_driver_sql(f"UPDATE schema_reach SET oldest_revision = '{oldest}'")
    state = schema_state(database_url)
    assert (state.version, state.is_newer, state.is_usable) == ("9002", True, is_usable)
    migrate(database_url)  # which leaves it alone
    assert schema_state(database_url) == state
    [found] = [check for check in database_checks(database_url) if "migrations" in check.name]
    assert found.ok is is_usable
    assert "9002, of a newer release" in found.found


def test_the_last_release_goes_on_with_this_schema(engine: sa.Engine) -> None:
    ours = [script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions("base", "head")]
    with engine.connect() as connection:
        oldest = connection.exec_driver_sql("SELECT oldest_revision FROM schema_reach").scalar_one()
    assert ours.index(oldest) >= ours.index(named_release(REPOSITORY).revision), "newest first"


def ensured(database: Database, today: date) -> list[str]:
    with database.transaction() as tx:
        return recovery.ensure_partitions(tx, today)


def add_event(database: Database, at: datetime) -> str:
    """Writes an event of that time; returns the partition that it went to."""
    with database.transaction() as tx:
        [(partition,)] = tx.rows(
            "INSERT INTO task_events (task_id, at, event, actor) VALUES (%(id)s, %(at)s, 'x', 'test')"
            " RETURNING tableoid::regclass::text",
            {"id": task_id(1), "at": at},
        )
    return str(partition)


def test_partitions_are_made_a_week_ahead(database: Database) -> None:
    made = ensured(database, TODAY)
    assert made == [f"task_events_202603{day:02}" for day in range(1, 9)]
    assert ensured(database, TODAY) == []
    assert ensured(database, TODAY + timedelta(days=1)) == ["task_events_20260309"]


def test_a_migrated_database_has_partitions_before_the_first_worker_starts(database: Database) -> None:
    now = datetime.now(UTC)
    assert add_event(database, now) == f"task_events_{now:%Y%m%d}"
    tomorrow = now + timedelta(days=1)
    assert add_event(database, tomorrow) == f"task_events_{tomorrow:%Y%m%d}"


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_midnight_is_that_of_utc(database: Database, zone: str) -> None:
    with database.transaction() as tx:
        [(name,)] = tx.rows("SELECT current_database()", {})
        tx.rows(f"ALTER DATABASE {name} SET timezone TO '{zone}'", {})
    database.close()
    ensured(database, TODAY)
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    assert add_event(database, midnight - timedelta(microseconds=1)) == "task_events_20260301"
    assert add_event(database, midnight) == "task_events_20260302"
    assert add_event(database, datetime(2026, 3, 9, tzinfo=UTC)) == "task_events_default"
    assert add_event(database, datetime(2026, 2, 28, 23, 59, tzinfo=UTC)) == "task_events_default"
    # the day that is already in the default partition stays there
    assert ensured(database, date(2026, 3, 2)) == []
    assert ensured(database, date(2026, 3, 3)) == ["task_events_20260310"]
    assert add_event(database, datetime(2026, 3, 9, 12, tzinfo=UTC)) == "task_events_default"


def test_a_doubled_event_table_is_refused(database: Database) -> None:
    ensured(database, TODAY)
    with pytest.raises(psycopg2.errors.InvalidObjectDefinition), database.transaction() as tx:
        tx.rows(
            "CREATE TABLE task_events_twice PARTITION OF task_events FOR VALUES FROM ('2026-03-01') TO ('2026-03-02')",
            {},
        )
