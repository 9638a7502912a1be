"""Connections to PostgreSQL, transactions, named statements from `sql/queries`."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import psycopg2
import psycopg2.extensions
import sqlalchemy
from sqlalchemy.engine import URL, Engine, make_url

from core.database_errors import POOL_TIMEOUT_SECONDS, unavailable_when_unreachable
from core.errors import ConfigurationError
from core.texts import said

SQL_DIR = Path(__file__).resolve().parent.parent / "sql"
CONNECT_TIMEOUT_SECONDS = 5
NETWORK_TIMEOUT_MS = 5_000  # without a sign of life from the server's host; a slow server gives some
LEADER_TIMEOUT_MS = 3_000
# No statement of the leader waits longer for a table, or takes longer at all; what was cut short is tried in parts.
LEADER_LOCK_TIMEOUT_MS = 400
LEADER_STATEMENT_TIMEOUT_MS = 5_000
LOCK_TIMEOUT_MS = 5_000  # everybody else's, unless a transaction says otherwise
TRANSACTION_TIMEOUT_SINCE = 170_000
IDLE_SESSION_TIMEOUT_SINCE = 140_000  # as libpq gives server versions
_UUID_AS_TEXT = psycopg2.extensions.new_type((2950,), "UUID_AS_TEXT", lambda value, cursor: value)
_PARAMETER = re.compile(r"%\((\w+)\)s")
# Parsing and planning the hot path's statements costs more than running them on a few rows.
# No plan depends on the values, which are arrays of any length.
GENERIC_PLANS = "SET plan_cache_mode = force_generic_plan"
PREPARED_TOPICS = frozenset({"tick", "submission", "dependants", "recovery"})
_NAME = re.compile(r"^-- name: (\w+)\n((?:--.*\n)+)", re.MULTILINE)


class Query(str):
    """A named statement; on our own connections a hot one is prepared when it is first used."""

    __slots__ = ("execution", "handle", "preparation")

    @classmethod
    def named(cls, topic: str, name: str, text: str) -> Query:
        """A statement of `sql/queries/<topic>.sql`."""
        query = cls(text)
        names = list(dict.fromkeys(_PARAMETER.findall(text)))
        numbered = _PARAMETER.sub(lambda match: f"${names.index(match[1]) + 1}", text)
        is_whole = "{" not in text  # nothing has to be filled in first
        query.handle = f"{topic}_{name}" if topic in PREPARED_TOPICS and is_whole else None
        query.preparation = f"PREPARE {query.handle} AS {numbered}"
        arguments = ", ".join(f"%({parameter})s" for parameter in names)
        query.execution = f"EXECUTE {query.handle} ({arguments})" if names else f"EXECUTE {query.handle}"
        return query


class _Connection(psycopg2.extensions.connection):
    """A connection that knows which statements it has prepared."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.prepared: set[str] = set()


class Transaction(Protocol):
    """Where statements run: ours on the driver, or the caller's SQLAlchemy connection."""

    def rows(self, statement: str, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """Runs one statement and returns its rows (empty if it returns none)."""


class DriverTransaction:
    """A transaction on a psycopg2 cursor: the hot path."""

    def __init__(self, cursor: psycopg2.extensions.cursor, lock_timeout_ms: int | None = None) -> None:
        self.cursor = cursor
        # sent with each statement: several statements in one message are one transaction
        self._first = "" if lock_timeout_ms is None else f"SET LOCAL lock_timeout = {lock_timeout_ms}; "

    def rows(self, statement: str, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        handle = statement.handle if isinstance(statement, Query) else None
        if handle is None:
            self.cursor.execute(self._first + statement, parameters)
        else:
            prepared = self.cursor.connection.prepared
            if handle not in prepared:
                self.cursor.execute(statement.preparation)
                prepared.add(handle)
            self.cursor.execute(self._first + statement.execution, parameters)
        return self.cursor.fetchall() if self.cursor.description else ()

    def copy(self, table: str, columns: Sequence[str], lines: object) -> None:
        """COPY of text-format lines (a file-like object) into a table."""
        self.cursor.copy_expert(f"COPY {table} ({', '.join(columns)}) FROM STDIN", lines)


class CallerTransaction:
    """The caller's own SQLAlchemy connection: what we write appears if and only if they commit."""

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        result = self._connection.exec_driver_sql(statement, dict(parameters))
        if not result.returns_rows:
            return ()
        return [tuple(str(value) if isinstance(value, uuid.UUID) else value for value in row) for row in result]


class Database:
    """A pool of connections to one database."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self.url = url
        self.engine = connect_engine(url, pool_size=pool_size)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[DriverTransaction]:
        """One transaction: commits at the end, rolls back on an error; raises Unavailable.

        A statement that waits for a lock for longer than LOCK_TIMEOUT_MS ends it in Busy.
        """
        with self._connection() as connection, connection.cursor() as cursor:
            yield DriverTransaction(cursor)
            connection.commit()

    @contextlib.contextmanager
    def statements(self, lock_timeout_ms: int | None = None) -> Iterator[DriverTransaction]:
        """Each statement is a transaction of its own, for one round trip instead of three; raises Unavailable.

        `lock_timeout_ms`: how long each may wait for a lock before it ends in Busy, if not LOCK_TIMEOUT_MS.
        """
        with self._connection() as connection, connection.cursor() as cursor:
            connection.dbapi_connection.autocommit = True
            try:
                yield DriverTransaction(cursor, lock_timeout_ms)
            finally:
                if not cursor.connection.closed:
                    connection.dbapi_connection.autocommit = False

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlalchemy.PoolProxiedConnection]:
        """A pooled connection; rolls back on an error, and drops one that broke. Raises Unavailable."""
        with unavailable_when_unreachable():
            connection = self.engine.raw_connection()
        try:
            with unavailable_when_unreachable():
                yield connection
        except BaseException as error:
            if connection.dbapi_connection is None or connection.dbapi_connection.closed:
                connection.invalidate(error if isinstance(error, Exception) else None)
            else:
                connection.rollback()
            raise
        finally:
            connection.close()

    def close(self) -> None:
        """Closes every pooled connection."""
        self.engine.dispose()


def connect_engine(url: str, *, pool_size: int = 5) -> Engine:
    """An SQLAlchemy engine for a `postgresql://` URL; connects when first used."""
    engine = sqlalchemy.create_engine(
        driver_url(url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_pre_ping=False,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "application_name": "taskyard",
            "connection_factory": _Connection,
            **_network_options(NETWORK_TIMEOUT_MS),
        },
    )
    sqlalchemy.event.listen(engine, "connect", _set_up)
    return engine


def connect_driver(url: str, **parameters: Any) -> psycopg2.extensions.connection:
    """A psycopg2 connection of its own, outside any pool; `parameters` are libpq's."""
    dsn = driver_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg2.connect(dsn, connect_timeout=CONNECT_TIMEOUT_SECONDS, connection_factory=_Connection, **parameters)


def connect_leader(url: str) -> psycopg2.extensions.connection:
    """The connection that holds the leader's lock and commits its ticks.

    Its session, and so the lock, ends LEADER_TIMEOUT_MS after its process is stopped or cut off
    (PostgreSQL 14 and newer; older ones notice only a lost network).
    """
    options = _network_options(LEADER_TIMEOUT_MS)
    connection = connect_driver(url, application_name="taskyard leader", **options)
    with connection.cursor() as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = {LEADER_TIMEOUT_MS}")
        # whatever the role or the database has instead: a role's statement_timeout once ended every term
        cursor.execute(f"SET lock_timeout = {LEADER_LOCK_TIMEOUT_MS}")
        cursor.execute(f"SET statement_timeout = {LEADER_STATEMENT_TIMEOUT_MS}")
        cursor.execute("SET default_transaction_isolation = 'read committed'")
        if connection.server_version >= TRANSACTION_TIMEOUT_SINCE:
            cursor.execute("SET transaction_timeout = 0")
        # The server's end has to notice a lost network as soon as ours: it holds the lock.
        for name in ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout"):
            cursor.execute(f"SET {name} = {options[name.replace('tcp_keepalives', 'keepalives')]}")
        if connection.server_version >= IDLE_SESSION_TIMEOUT_SINCE:
            cursor.execute(f"SET idle_session_timeout = {LEADER_TIMEOUT_MS}")
        # Every statement of a tick finds its rows by their ids. Statistics that are out of date,
        # as they always are for a queue, must not talk the planner into anything else.
        for plan in ("seqscan", "hashjoin", "mergejoin", "bitmapscan"):
            cursor.execute(f"SET enable_{plan} = off")
        cursor.execute(GENERIC_PLANS)
    connection.commit()
    return connection


def _network_options(timeout_ms: int) -> dict[str, int]:
    """libpq's parameters for a connection that breaks when the network has been lost for so long.

    Without them a statement on a cut link hangs for a quarter of an hour, and one that waits for its
    answer for two hours.
    """
    count = 3  # probes without an answer, one a second, after the silence before the first
    return {
        "keepalives": 1,
        "keepalives_idle": max(1, timeout_ms // 1000 - count),
        "keepalives_interval": 1,
        "keepalives_count": count,
        "tcp_user_timeout": timeout_ms,
    }


def driver_url(url: str) -> URL:
    """`url` as SQLAlchemy's URL for psycopg2; raises ConfigurationError if it makes no sense."""
    try:
        return make_url(url).set(drivername="postgresql+psycopg2")
    except (ValueError, sqlalchemy.exc.ArgumentError):
        raise ConfigurationError(
            [
                said(
                    "TASKYARD_DATABASE_URL: the given value (not shown) is not accepted: "
                    "expected postgresql://user@host/name"
                )
            ]
        ) from None


@lru_cache
def queries(topic: str) -> Mapping[str, Query]:
    """The statements of `sql/queries/<topic>.sql` by their names.

    Each statement stands under `-- name: <name>` and at least one line that describes it.
    """
    content = (SQL_DIR / "queries" / f"{topic}.sql").read_text()
    heads = list(_NAME.finditer(content))
    ends = [head.start() for head in heads[1:]] + [len(content)]
    return {
        head[1]: Query.named(topic, head[1], content[head.end() : end].strip())
        for head, end in zip(heads, ends, strict=True)
    }


def _set_up(connection: psycopg2.extensions.connection, record: object) -> None:
    psycopg2.extensions.register_type(_UUID_AS_TEXT, connection)
    with connection.cursor() as cursor:
        cursor.execute(GENERIC_PLANS)
        cursor.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
    connection.commit()
