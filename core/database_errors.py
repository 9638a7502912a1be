"""What the driver's errors mean: a server that is away, one that is busy, values that it refuses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import sqlalchemy

from core.errors import Busy, Unavailable
from core.texts import said

POOL_TIMEOUT_SECONDS = 10  # until a connection of the pool is free
_OF_VALUES = (psycopg2.DataError, psycopg2.ProgrammingError, psycopg2.NotSupportedError)


@contextlib.contextmanager
def unavailable_when_unreachable() -> Iterator[None]:
    """Turns the driver's connection errors and an exhausted pool into Unavailable.

    A lock or an answer not had in time, and a deadlock, are Busy.
    """
    try:
        yield
    except (psycopg2.Error, sqlalchemy.exc.DBAPIError) as error:
        cause = getattr(error, "orig", None) or error
        meaning = _meaning_of(cause)
        if meaning is None:
            raise
        raise meaning from error
    except sqlalchemy.exc.TimeoutError as error:
        text = said("no database connection became free within {seconds} s", seconds=POOL_TIMEOUT_SECONDS)
        raise Unavailable(text) from error


def _meaning_of(cause: BaseException) -> Unavailable | None:
    if isinstance(cause, psycopg2.errors.LockNotAvailable):
        text = said("somebody else has locked what this needs, for longer than it may wait: try again")
        return Busy(text, is_locked=True)
    if isinstance(cause, psycopg2.extensions.TransactionRollbackError):
        reason = _first_line(cause)
        return Busy(said("somebody changed the same rows at the same moment ({reason}): try again", reason=reason))
    if isinstance(cause, psycopg2.errors.QueryCanceled):
        return Busy(said("PostgreSQL had no answer in the time that it was given: ask for less, or try again"))
    if is_connection_lost(cause):
        return Unavailable(said("PostgreSQL can't be reached: {reason}", reason=_first_line(cause)))
    return None


@contextlib.contextmanager
def values_refused(explained: Callable[[str], Exception]) -> Iterator[None]:
    """Turns what PostgreSQL refuses of a statement's values into what `explained` makes of its one-line reason."""
    try:
        yield
    except (*_OF_VALUES, sqlalchemy.exc.DBAPIError) as error:
        cause = getattr(error, "orig", None) or error
        if not isinstance(cause, _OF_VALUES):
            raise
        raise explained(_first_line(cause)) from None


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def is_connection_lost(error: BaseException) -> bool:
    """Whether the driver says by this that the server is away, and not that it refused something.

    A connection that breaks in the middle of an answer is a bare DatabaseError, of no subclass.
    """
    if isinstance(error, psycopg2.extensions.TransactionRollbackError):
        return False
    return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError) or (
        type(error) is psycopg2.DatabaseError
    )
