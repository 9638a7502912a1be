"""Detects connection poolers in front of PostgreSQL, and how they share sessions.

The leader's lock belongs to a session. Through a pooler that lends a session out per transaction, two workers may
both "hold" it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from enum import StrEnum

import psycopg2
import psycopg2.extensions

_ROUNDS = 3  # a pooler that hands out sessions in turn shows it at the second


class Pooling(StrEnum):
    """For how long one client keeps a session."""

    NONE = "none"  # no pooler answers
    SESSION = "session"
    TRANSACTION = "transaction"
    STATEMENT = "statement"


def is_behind_pooler(connection: psycopg2.extensions.connection) -> bool:
    """Returns True if a pooler answers on a connection in autocommit: it invents the process id of its greeting."""
    return bool(connection.info.backend_pid != _backend(connection))


def knows_transactions(connection: psycopg2.extensions.connection) -> bool:
    """Returns True if a connection in autocommit allows transactions; the connection is unusable if not.

    A pooler that shares sessions per statement closes the connection at BEGIN without an error. Raises the driver's
    errors.
    """
    connection.autocommit = False
    try:
        _backend(connection)
    except psycopg2.OperationalError as error:
        if connection.closed and error.pgcode is None:
            return False
        raise
    connection.rollback()
    connection.autocommit = True
    return True


def pooling(connect: Callable[[], psycopg2.extensions.connection]) -> Pooling:
    """Tests the pooling with connections that `connect` makes; raises the driver's errors.

    A session is shared if its server process changes between transactions, or serves another connection at the same
    time.
    """
    with ExitStack() as stack:
        first = stack.enter_context(closing(connect()))
        first.autocommit = True
        if not is_behind_pooler(first):
            return Pooling.NONE
        second = stack.enter_context(closing(connect()))
        second.autocommit = True
        if not knows_transactions(second):
            _backend(first)  # proves that the server is not away
            return Pooling.STATEMENT
        second.autocommit = False
        pid = _backend(first)
        for _ in range(_ROUNDS):
            others = _backend(second)  # its transaction stays open
            mine = _backend(first)
            second.rollback()
            if pid != mine or pid == others:
                return Pooling.TRANSACTION
    return Pooling.SESSION


def _backend(connection: psycopg2.extensions.connection) -> int:
    """Returns the id of the process that serves a connection now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])  # type: ignore[index]
