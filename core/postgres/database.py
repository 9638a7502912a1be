"""Provides connections to PostgreSQL, transactions, and the named statements of `sql/queries`."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import psycopg2
import psycopg2.extensions

from taskyard.core.connection_era import Era
from taskyard.core.paths import FILES
from taskyard.core.postgres.connections import (
    APPLICATION_NAME,
    IDLE_SESSION_TIMEOUT_SINCE,
    LEADER_TIMEOUT_MS,
    PLAIN_VALUES,
    QUICK_PLANS,
    connect_driver,
    network_options,
    parameters_of,
    refuse_shared_session,
)
from taskyard.core.postgres.errors import unavailable_when_unreachable
from taskyard.core.postgres.pooler import is_behind_pooler
from taskyard.core.postgres.pools import Pool, connecting

if TYPE_CHECKING:
    import sqlalchemy

SQL_DIR = FILES / "sql"
_PARAMETER = re.compile(r"%\((\w+)\)s")
PREPARED_TOPICS = frozenset({"tick", "submission", "dependants", "recovery", "workflow_inputs"})
# No statement of the leader waits longer for a table, or runs longer at all; an interrupted one is retried in parts.
LEADER_LOCK_TIMEOUT_MS = 400
LEADER_STATEMENT_TIMEOUT_MS = 5_000
LINES_AT_ONCE = 50  # of a COPY
TRANSACTION_TIMEOUT_SINCE = 170_000  # as libpq gives server versions
_NAME = re.compile(r"^-- name: (\w+)\n((?:--.*\n)+)", re.MULTILINE)


class Query(str):
    """A named statement; on our own connections a hot one is prepared on first use."""

    __slots__ = ("execution", "handle", "preparation")
    execution: str
    handle: str | None
    preparation: str

    @classmethod
    def named(cls, topic: str, name: str, text: str) -> Query:
        """Returns a statement of `sql/queries/<topic>.sql`."""
        query = cls(text)
        names = list(dict.fromkeys(_PARAMETER.findall(text)))
        numbered = _PARAMETER.sub(lambda match: f"${names.index(match[1]) + 1}", text)
        is_whole = "{" not in text  # it has no parameters
        query.handle = f"{topic}_{name}" if topic in PREPARED_TOPICS and is_whole else None
        query.preparation = f"PREPARE {query.handle} AS {numbered}"
        arguments = ", ".join(f"%({parameter})s" for parameter in names)
        query.execution = f"EXECUTE {query.handle} ({arguments})" if names else f"EXECUTE {query.handle}"
        return query


class Transaction(Protocol):
    """Runs statements on our driver or on the caller's SQLAlchemy connection."""

    def rows(self, statement: str, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """Runs one statement and returns its rows (empty if it returns none)."""


class DriverTransaction:
    """A transaction on a psycopg2 cursor: the hot path."""

    def __init__(self, cursor: Any, lock_timeout_ms: int | None = None) -> None:
        self.cursor = cursor  # psycopg2's, of a Connection of ours
        # sent with each statement: several statements in one message are one transaction
        self._first = "" if lock_timeout_ms is None else f"SET LOCAL lock_timeout = {lock_timeout_ms}; "

    def rows(self, statement: str, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        self.cursor.execute(self._first + self._prepared(statement), parameters)
        return self.cursor.fetchall() if self.cursor.description else ()

    def together(self, *statements: tuple[str, Mapping[str, Any]]) -> Sequence[tuple[Any, ...]]:
        """Sends statements as one message, and returns the rows of the last; outside a transaction they are one."""
        texts = [self.cursor.mogrify(self._prepared(statement), parameters) for statement, parameters in statements]
        self.cursor.execute(b"; ".join(texts))
        rows: Sequence[tuple[Any, ...]] = self.cursor.fetchall()
        return rows

    def _prepared(self, statement: str) -> str:
        """Returns what runs a statement: the execution of what this prepares, if it is a hot one."""
        handle = statement.handle if isinstance(statement, Query) else None
        if not isinstance(statement, Query) or handle is None or not self.cursor.connection.may_prepare:
            return statement
        if handle not in self.cursor.connection.prepared:
            self.cursor.execute(statement.preparation)
            self.cursor.connection.prepared.add(handle)
        return statement.execution

    def copy(self, table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
        """Copies lines in COPY's text format into a table; the server works on those that are made already."""
        file = _Lines(lines, psycopg2.extensions.encodings[self.cursor.connection.encoding])
        try:
            self.cursor.copy_expert(f"COPY {table} ({', '.join(columns)}) FROM STDIN", file)
        except psycopg2.Error:
            if file.error is not None:  # for which psycopg2 ended the COPY, and forgot it
                raise file.error from None
            raise


class _Lines:
    """A file to be read once, whose lines are made as they are read."""

    def __init__(self, lines: Iterable[str], encoding: str) -> None:
        self._lines = iter(lines)
        self._encoding = encoding
        self.error: BaseException | None = None  # that making the lines raised

    def read(self, size: int) -> bytes:
        """Returns the next lines, whatever their size; nothing at the end."""
        try:
            return "".join(islice(self._lines, LINES_AT_ONCE)).encode(self._encoding)
        except BaseException as error:
            self.error = error
            raise


class CallerTransaction:
    """Runs statements on the caller's SQLAlchemy connection: our writes exist if and only if they commit.

    Statements raise Unavailable, Busy for a transaction that must be restarted, and SQLAlchemy's errors for values.
    """

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        with unavailable_when_unreachable():
            result = self._connection.exec_driver_sql(statement, dict(parameters))
        if not result.returns_rows:
            return ()
        return [tuple(str(value) if isinstance(value, uuid.UUID) else value for value in row) for row in result]


class Database:
    """A pool of connections to one database."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self.url = url
        era = Era()
        self.pool = Pool(connecting(url, era), era, pool_size)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[DriverTransaction]:
        """Opens a transaction: commits at the end, rolls back on an error; raises Unavailable.

        Raises Busy if a statement waits for a lock for longer than LOCK_TIMEOUT_MS.
        """
        with self.pool.lent(autocommit=False) as connection, connection.cursor() as cursor:
            yield DriverTransaction(cursor)
            connection.commit()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[DriverTransaction]:
        """Opens a transaction that only reads, and whose statements all see the same moment; raises Unavailable."""
        with self.transaction() as tx:
            tx.rows("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", {})
            yield tx

    @contextlib.contextmanager
    def statements(self, lock_timeout_ms: int | None = None) -> Iterator[DriverTransaction]:
        """Runs each statement as its own transaction, in one round trip instead of three; raises Unavailable.

        `lock_timeout_ms`: how long each may wait for a lock before it raises Busy, if not LOCK_TIMEOUT_MS.
        """
        with self.pool.lent(autocommit=True) as connection, connection.cursor() as cursor:
            yield DriverTransaction(cursor, lock_timeout_ms)

    def close(self) -> None:
        """Closes every connection."""
        self.pool.close()


def connect_leader(url: str) -> psycopg2.extensions.connection:
    """Returns the connection that holds the leader's lock and commits its ticks.

    Its session, and so the lock, ends LEADER_TIMEOUT_MS after its process is stopped or cut off (PostgreSQL 14 and
    newer; older versions notice only a lost network). Raises Unavailable if a pooler shares the session with others,
    and the driver's errors.
    """
    options = network_options(LEADER_TIMEOUT_MS)
    name = f"{parameters_of(url).get('application_name', APPLICATION_NAME)} leader"
    connection = connect_driver(url, application_name=name, **options)
    connection.autocommit = True
    if is_behind_pooler(connection):
        refuse_shared_session(url, connection)
    with connection.cursor() as cursor:
        cursor.execute(QUICK_PLANS)
        cursor.execute(PLAIN_VALUES)
        cursor.execute(f"SET idle_in_transaction_session_timeout = {LEADER_TIMEOUT_MS}")
        # whatever the role or the database has set: a role's statement_timeout once ended every term
        cursor.execute(f"SET lock_timeout = {LEADER_LOCK_TIMEOUT_MS}")
        cursor.execute(f"SET statement_timeout = {LEADER_STATEMENT_TIMEOUT_MS}")
        cursor.execute("SET default_transaction_isolation = 'read committed'")
        if connection.server_version >= TRANSACTION_TIMEOUT_SINCE:
            cursor.execute("SET transaction_timeout = 0")
        # The server has to notice a lost network as soon as this end: it holds the lock.
        for name in ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout"):
            cursor.execute(f"SET {name} = {options[name.replace('tcp_keepalives', 'keepalives')]}")
        if connection.server_version >= IDLE_SESSION_TIMEOUT_SINCE:
            cursor.execute(f"SET idle_session_timeout = {LEADER_TIMEOUT_MS}")
        # Every statement of a tick finds its rows by their ids. Statistics that are out of date,
        # as they always are for a queue, must not lead the planner to anything else.
        for plan in ("seqscan", "hashjoin", "mergejoin", "bitmapscan"):
            cursor.execute(f"SET enable_{plan} = off")
    connection.autocommit = False
    return connection


@lru_cache
def queries(topic: str) -> Mapping[str, Query]:
    """Returns the statements of `sql/queries/<topic>.sql` by name.

    Each statement follows `-- name: <name>` and at least one line that describes it.
    """
    content = (SQL_DIR / "queries" / f"{topic}.sql").read_text(encoding="utf-8")
    heads = list(_NAME.finditer(content))
    ends = [head.start() for head in heads[1:]] + [len(content)]
    return {
        head[1]: Query.named(topic, head[1], content[head.end() : end].strip())
        for head, end in zip(heads, ends, strict=True)
    }
