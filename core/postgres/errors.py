"""Translates the driver's errors: server away, server busy, value refused."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from taskyard.core.errors import Busy, Unavailable
from taskyard.core.i18n import msg

_OF_VALUES = (psycopg2.DataError, psycopg2.ProgrammingError, psycopg2.NotSupportedError)
# SQLSTATEs (or their first characters) by which the server says that it can't do it now, but may later: it is
# away or starts or stops, has no room, is read-only (a standby, or recovery), or the user's rights were changed.
_LATER = ("08", "53", "55", "57", "58", "25006", "25P03", "25P04", "42501")
# After such an answer the server behind the connection is no longer what it was when the connection was made.
_TURNED = ("08", "57P", "25006", "25P03", "25P04")
# A statement that was prepared on this connection is gone, or no longer fits the tables.
_STALE_STATEMENT = ("26000", "42P05")
_STALE_PLAN = "cached plan must not change"


@contextlib.contextmanager
def unavailable_when_unreachable() -> Iterator[None]:
    """Turns the driver's and server's transient errors into Unavailable, also those that SQLAlchemy has wrapped.

    A timed-out lock or answer, and a deadlock, become Busy.
    """
    try:
        yield
    except Exception as error:
        if (unreachable := meaning_of(error)) is not None:
            raise unreachable from error
        raise


def meaning_of(error: BaseException) -> Unavailable | None:
    """Returns Unavailable or Busy for what `unavailable_when_unreachable` turns into them; None for other errors."""
    cause = _cause(error)
    if isinstance(cause, psycopg2.errors.LockNotAvailable):
        text = msg("another session holds a lock that this needs: try again")
        return Busy(text, is_locked=True)
    if isinstance(cause, psycopg2.extensions.TransactionRollbackError):
        reason = first_line(cause)
        return Busy(msg("another session changed the same rows ({reason}): try again", reason=reason))
    if isinstance(cause, psycopg2.errors.QueryCanceled):
        return Busy(msg("PostgreSQL did not answer in time: narrow the request, or try again"))
    return Unavailable(explained(cause)) if is_connection_lost(cause) else None


def _cause(error: BaseException) -> BaseException:
    """Returns the driver's error, which SQLAlchemy's have as their `orig`."""
    cause = getattr(error, "orig", None)
    return cause if isinstance(cause, psycopg2.Error) else error


@contextlib.contextmanager
def values_refused(explained: Callable[[str], Exception]) -> Iterator[None]:
    """Turns PostgreSQL's refusal of a statement's values into the error that `explained` makes of its one-line
    reason.
    """
    try:
        yield
    except Exception as error:
        cause = _cause(error)
        if not isinstance(cause, _OF_VALUES) or is_connection_lost(cause):
            raise
        raise explained(first_line(cause)) from None


def is_connection_lost(error: BaseException) -> bool:
    """Returns True if the server is away or temporarily unable to answer, as opposed to having refused something.

    A connection that breaks in the middle of an answer is a bare DatabaseError, of no subclass.
    """
    if isinstance(error, psycopg2.extensions.TransactionRollbackError) or not isinstance(error, psycopg2.Error):
        return False
    if error.pgcode is None:
        return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError) or (
            type(error) is psycopg2.DatabaseError
        )
    return error.pgcode.startswith(_LATER) or _is_stale(error)


def has_turned(error: BaseException) -> bool:
    """Returns True if the connection, and all made before this answer, must be dropped."""
    if not isinstance(error, psycopg2.Error) or not is_connection_lost(error):
        return False
    return error.pgcode is None or error.pgcode.startswith(_TURNED) or _is_stale(error)


def first_line(error: BaseException) -> str:
    """Returns the driver's text without its details, or the error's name if it has none."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def explained(error: BaseException) -> str:
    """Returns the user-facing text of an error of a server that is away or temporarily unable to answer."""
    if isinstance(error, psycopg2.Error) and error.pgcode is not None and not error.pgcode.startswith(("08", "57P")):
        return msg("PostgreSQL can't be used: {reason}", reason=first_line(error))
    return msg("PostgreSQL can't be reached: {reason}", reason=first_line(error))


def _is_stale(error: psycopg2.Error) -> bool:
    return error.pgcode in _STALE_STATEMENT or (error.pgcode == "0A000" and _STALE_PLAN in str(error))
