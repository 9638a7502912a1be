"""Connection poolers between us and PostgreSQL: which way they share sessions.

The leader's lock belongs to a session. Through a pooler that lends a session out for a transaction
at a time, two workers may both "hold" it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from enum import StrEnum

import psycopg2
import psycopg2.extensions

_ROUNDS = 3  # a pooler that hands out sessions in turn shows it in the second
_STATEMENT_MODE = "statement pooling mode"


class Pooling(StrEnum):
    """How long one client keeps a session."""

    NONE = "none"  # no pooler answers
    SESSION = "session"
    TRANSACTION = "transaction"
    STATEMENT = "statement"


def is_statement_mode(error: BaseException) -> bool:
    """Whether a pooler says by this that it does not know transactions."""
    return _STATEMENT_MODE in str(error)


def is_behind_pooler(connection: psycopg2.extensions.connection, backend_pid: int) -> bool:
    """A pooler makes up the process id of its greeting, because it is no server process itself."""
    return bool(connection.info.backend_pid != backend_pid)


def pooling(connect: Callable[[], psycopg2.extensions.connection]) -> Pooling:
    """Tries it out with two connections that `connect` makes; raises the driver's errors.

    One connection whose server process changes between transactions, or is at once another's, shares it.
    """
    with ExitStack() as stack:
        try:
            first = stack.enter_context(closing(connect()))
            pid = _backend(first)
            if not is_behind_pooler(first, pid):
                return Pooling.NONE
            second = stack.enter_context(closing(connect()))
            for _ in range(_ROUNDS):
                others = _backend(second, keeps_transaction=True)
                mine = _backend(first)
                second.rollback()
                if pid != mine or pid == others:
                    return Pooling.TRANSACTION
        except psycopg2.Error as error:
            if is_statement_mode(error):
                return Pooling.STATEMENT
            raise
    return Pooling.SESSION


def _backend(connection: psycopg2.extensions.connection, *, keeps_transaction: bool = False) -> int:
    """The process that serves a transaction of this connection, which goes on if `keeps_transaction`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]  # type: ignore[index]
    if not keeps_transaction:
        connection.rollback()
    return int(pid)
