"""Opens single connections to PostgreSQL, and adapts them to a pooler in front of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg2
import psycopg2.extensions

from taskyard.core.errors import ConfigurationError, Unavailable
from taskyard.core.i18n import msg
from taskyard.core.postgres.pooler import Pooling, is_behind_pooler, knows_transactions, pooling
from taskyard.core.postgres.url import connection_parameters

APPLICATION_NAME = "taskyard"
CONNECT_TIMEOUT_SECONDS = 5
NETWORK_TIMEOUT_MS = 5_000  # without an answer from the server's host; a slow server still answers
LEADER_TIMEOUT_MS = 3_000
LOCK_TIMEOUT_MS = 5_000  # of every session but the leader's, unless a transaction says otherwise
UTF8 = "UTF8"  # the only encoding that holds every text, as PostgreSQL names it
IDLE_SESSION_TIMEOUT_SINCE = 140_000  # as libpq gives server versions
_UUID_AS_TEXT = psycopg2.extensions.new_type((2950,), "UUID_AS_TEXT", lambda value, cursor: value)
# Parsing and planning the hot path's statements costs more than running them on a few rows.
# No plan depends on the values, which are arrays of any length. And compiling one takes 90 ms, again in each session:
# where a table's size is not known yet, PostgreSQL takes a statement on a few rows for a large one.
QUICK_PLANS = "SET plan_cache_mode = force_generic_plan; SET jit = off"
# The output formats, whatever the role or the database has set: others would be read incorrectly.
PLAIN_VALUES = (
    "SET array_nulls = on; SET bytea_output = hex; SET datestyle = 'ISO, MDY'; SET extra_float_digits = 1; "
    "SET intervalstyle = postgres; SET transform_null_equals = off"
)


class Connection(psycopg2.extensions.connection):
    """A connection that tracks its prepared statements and the time of its creation.

    Through a pooler nothing is prepared: the next transaction may get another session.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.prepared: set[str] = set()
        self.may_prepare = True
        self.made_in = 0  # the pool's era


def connect_driver(url: str, **parameters: Any) -> Connection:
    """Returns a psycopg2 connection outside any pool; `parameters` are libpq's. Raises ConfigurationError."""
    base = {"connect_timeout": str(CONNECT_TIMEOUT_SECONDS), **parameters_of(url)}
    given: dict[str, Any] = {**base, "client_encoding": UTF8, **parameters}
    connection: Connection = psycopg2.connect(connection_factory=Connection, **given)
    return connection


def pooling_of(url: str) -> Pooling:
    """Returns how a connection pooler at `url` shares sessions, if there is one; raises the driver's errors."""
    return pooling(lambda: connect_driver(url))


def refuse_shared_session(url: str, connection: psycopg2.extensions.connection) -> None:
    """Closes a connection through a pooler that shares its session, and raises Unavailable."""
    mode = pooling_of(url)
    if mode in (Pooling.TRANSACTION, Pooling.STATEMENT):
        connection.close()
        raise Unavailable(
            msg(
                "a connection pooler in {mode} mode stands before PostgreSQL: a worker can't lead through it, "
                "since its lock belongs to a session: connect directly or in session mode",
                mode=mode,
            )
        )


def parameters_of(url: str) -> dict[str, str]:
    """Returns libpq's parameters for the configured URL; raises ConfigurationError."""
    try:
        return connection_parameters(url)
    except ValueError as error:
        text = msg("TASKYARD_DATABASE_URL: the given value (not shown) is not accepted: {reason}", reason=error.args[0])
        raise ConfigurationError([text]) from None


def network_options(timeout_ms: int) -> dict[str, int]:
    """Returns libpq's parameters for a connection that breaks after a network loss of this length.

    Without them a statement on a cut link hangs for 15 minutes, and one that waits for its answer for two hours.
    """
    count = 3  # probes without an answer, one a second, after the silence before the first
    return {
        "keepalives": 1,
        "keepalives_idle": max(1, timeout_ms // 1000 - count),
        "keepalives_interval": 1,
        "keepalives_count": count,
        "tcp_user_timeout": timeout_ms,
    }


def set_up(connection: Connection) -> Connection:
    """Sets up a new connection's session and returns it; a session that a pooler may share is left unchanged.

    Raises Unavailable if transactions can't be had, and the driver's errors.
    """
    connection.autocommit = True
    if not is_behind_pooler(connection):
        with connection.cursor() as cursor:
            cursor.execute(QUICK_PLANS)
            cursor.execute(PLAIN_VALUES)
            cursor.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
    elif knows_transactions(connection):
        connection.may_prepare = False
    else:
        connection.close()
        raise Unavailable(
            msg("a connection pooler in statement mode answers, which supports no transactions: connect directly")
        )
    connection.autocommit = False
    return connection


@contextlib.contextmanager
def lone_cursor(url: str) -> Iterator[psycopg2.extensions.cursor]:
    """Lends a cursor in autocommit mode on a connection that is made for it, and set up.

    Raises ConfigurationError, Unavailable if transactions can't be had, and the driver's errors.
    """
    with contextlib.closing(connect_driver(url)) as connection:
        set_up(connection).autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def read_ids_as_text(connection: Connection, record: object) -> None:
    """Makes an SQLAlchemy connection return UUIDs as text instead of objects."""
    psycopg2.extensions.register_type(_UUID_AS_TEXT, connection)
