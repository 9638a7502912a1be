"""What tests do to their databases reaches no other test."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from taskyard.core.postgres.pools import connect_engine
from tests.databases import Databases

CHANGES = {
    "a lead": "UPDATE leadership SET epoch = 7, worker = 'somebody'",
    "no lead": "DELETE FROM leadership",
    "a table more": "CREATE TABLE extra (n integer)",
    "a table less": "DROP TABLE saved_filters",
    "a column more": "ALTER TABLE tasks ADD COLUMN extra integer",
    "no default": "ALTER TABLE tasks ALTER COLUMN queue DROP DEFAULT",
    "a setting": "ALTER DATABASE {name} SET default_transaction_read_only = on",
    "a migration": "UPDATE alembic_version SET version_num = '0000'",
    "statistics": "ANALYZE",
    "a schema": "CREATE SCHEMA extra",
}


def contents(url: str) -> dict[str, object]:
    engine = connect_engine(url)
    with engine.connect() as connection:
        tables = connection.scalars(
            sa.text("SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")
        ).all()
        rows = {table: connection.scalars(sa.text(f"SELECT to_jsonb(t) FROM {table} AS t")).all() for table in tables}
        columns = connection.execute(
            sa.text(
                "SELECT table_name, column_name, column_default FROM information_schema.columns "
                "WHERE table_schema = 'public' ORDER BY 1, 2"
            )
        ).all()
        settings = connection.scalar(sa.text("SHOW default_transaction_read_only"))
    engine.dispose()
    return {"rows": rows, "columns": columns, "settings": settings}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_next_gets_it_as_it_was(databases: Databases, change: str) -> None:
    with databases.copy() as url:
        before = contents(url)
        engine = connect_engine(url).execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(change.format(name=sa.make_url(url).database)))
        engine.dispose()

    with databases.copy() as url:
        assert contents(url) == before


def test_who_outlives_a_test_is_cut_off(databases: Databases) -> None:
    with databases.copy() as url:
        engine = connect_engine(url)
        lasting = engine.connect()
    with databases.copy(), pytest.raises(sa.exc.OperationalError):
        lasting.execute(sa.text("SELECT 1"))
    with pytest.raises(sa.exc.OperationalError, match="does not exist"):
        engine.connect()
    engine.dispose()
