"""A database for each test, of one server: made once from a migrated template, then emptied and used again.

A copy of the template takes PostgreSQL about 0.3 s; emptying the tables that a test wrote to, 0.01 s.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from taskyard.core.postgres.migrations import migrate
from taskyard.core.postgres.pools import connect_engine
from tests.outages import shut

_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
# Everything that a test may change and TRUNCATE does not undo, as one text.
_SHAPE = """
WITH ours AS (SELECT * FROM pg_class WHERE relnamespace = 'public'::regnamespace)
SELECT string_agg(said, E'\\n' ORDER BY said) FROM (
    SELECT concat_ws(' ', 'relation', relname, relkind, relpersistence, relacl, reloptions, relrowsecurity) AS said
    FROM ours
    UNION ALL
    SELECT concat_ws(' ', relname, attname, atttypid::regtype, attnotnull, attstattarget, attacl, attoptions,
        (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum))
    FROM ours JOIN pg_attribute ON attrelid = ours.oid WHERE attnum > 0
    UNION ALL
    SELECT concat_ws(' ', conrelid::regclass, conname, convalidated, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid) FROM ours JOIN pg_index ON indexrelid = ours.oid
    UNION ALL
    SELECT concat_ws(' ', 'function', proname, prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT concat_ws(' ', 'trigger', tgname, relname, tgenabled)
    FROM ours JOIN pg_trigger ON tgrelid = ours.oid WHERE NOT tgisinternal
    UNION ALL
    SELECT concat_ws(' ', 'statistics', tablename) FROM pg_stats WHERE schemaname = 'public'
    UNION ALL
    SELECT concat_ws(' ', 'schema', nspname, nspacl) FROM pg_namespace WHERE nspname NOT LIKE 'pg_%'
    UNION ALL
    SELECT concat_ws(' ', 'database', datconnlimit, datacl) FROM pg_database WHERE datname = current_database()
) AS shapes
"""
# What has no page was never written to, or was truncated.
_WRITTEN = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
"""
_RESTART_SEQUENCES = """
SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false) FROM pg_sequences
WHERE schemaname = 'public' AND last_value IS NOT NULL
"""
_SETTINGS = """
SELECT count(*) FROM pg_db_role_setting JOIN pg_database ON setdatabase = pg_database.oid
WHERE datname = current_database()
"""
_MAY_FORGET_STATISTICS = "SELECT has_function_privilege('pg_stat_reset()', 'EXECUTE')"
_FORGET_STATISTICS = "SELECT pg_stat_reset()"


class Databases:
    """Gives out migrated databases that have nothing but what the migrations put there."""

    def __init__(self, url: str) -> None:
        self._server_url = url
        self._template = f"taskyard_template_{uuid.uuid4().hex[:12]}"
        self._engine = _connect(url)
        self._run(f"CREATE DATABASE {self._template}")
        migrate(self._url_of(self._template))
        with self._inside(self._template) as connection:
            self._tables = _tables(connection)
            self._shape = connection.scalar(sa.text(_SHAPE))
            self._rows = {table: _rows(connection, table) for table in self._tables}
            self._may_forget_statistics = bool(connection.scalar(sa.text(_MAY_FORGET_STATISTICS)))
        self._spare: list[str] = []

    @contextmanager
    def copy(self) -> Iterator[str]:
        """The URL of a database of one's own. Whoever is still connected in the end is cut off.

        No two have one name: who outlives its test finds no other test's database.
        """
        if self._spare:
            name = self._spare.pop()
        else:
            name = _new_name()
            self._run(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        try:
            yield self._url_of(name)
        finally:
            self._take_back(name)

    def close(self) -> None:
        """Drops all of them."""
        for name in (*self._spare, self._template):
            self._cut_off(name)
            self._run(f"DROP DATABASE {name}")
        self._engine.dispose()

    def _take_back(self, name: str) -> None:
        self._cut_off(name)
        spare = _new_name()
        self._run(f"ALTER DATABASE {name} RENAME TO {spare}")
        self._run(f"ALTER DATABASE {spare} ALLOW_CONNECTIONS true")
        if self._empty(spare):
            self._spare.append(spare)
        else:
            self._run(f"DROP DATABASE {spare}")

    def _cut_off(self, name: str) -> None:
        with self._engine.connect() as connection:
            shut(connection, name)

    def _empty(self, name: str) -> bool:
        """Whether the database is as the template again."""
        with self._inside(name) as connection:
            there = _tables(connection)
            if connection.scalar(sa.text(_SETTINGS)) or not there >= self._tables:
                return False
            for table in there - self._tables:  # such as partitions
                connection.execute(sa.text(f'DROP TABLE IF EXISTS "{table}" CASCADE'))
            written = set(connection.scalars(sa.text(_WRITTEN)))
            written -= {table for table, rows in self._rows.items() if rows and _rows(connection, table) == rows}
            if written:
                listed = ", ".join(f'"{table}"' for table in sorted(written))
                connection.execute(sa.text(f"TRUNCATE {listed} CASCADE"))
            connection.execute(sa.text(_RESTART_SEQUENCES))
            for table in written:
                self._fill(connection, table)
            if self._may_forget_statistics:
                connection.execute(sa.text(_FORGET_STATISTICS))
            return bool(connection.scalar(sa.text(_SHAPE)) == self._shape)

    def _fill(self, connection: sa.Connection, table: str) -> None:
        fill = f'INSERT INTO "{table}" SELECT * FROM jsonb_populate_record(NULL::"{table}", CAST(:row AS jsonb))'
        for row in self._rows.get(table, ()):
            connection.execute(sa.text(fill), {"row": row})

    @contextmanager
    def _inside(self, name: str) -> Iterator[sa.Connection]:
        engine = _connect(self._url_of(name))
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def _url_of(self, name: str) -> str:
        return make_url(self._server_url).set(database=name).render_as_string(hide_password=False)

    def _run(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(sa.text(statement))


def _new_name() -> str:
    return f"taskyard_test_{uuid.uuid4().hex[:12]}"


def _connect(url: str) -> sa.Engine:
    """Databases are made and dropped outside transactions."""
    return connect_engine(url).execution_options(isolation_level="AUTOCOMMIT")


def _tables(connection: sa.Connection) -> set[str]:
    return set(connection.scalars(sa.text(_TABLES)))


def _rows(connection: sa.Connection, table: str) -> Sequence[Any]:
    """Its own rows, as JSON: not those of its partitions."""
    return connection.scalars(sa.text(f'SELECT to_jsonb(t)::text FROM ONLY "{table}" AS t')).all()
