"""Runs statements over many items, halved under savepoints until the failing items are isolated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from taskyard.core.postgres.database import LEADER_STATEMENT_TIMEOUT_MS, DriverTransaction
from taskyard.core.postgres.errors import is_connection_lost
from taskyard.core.redis.quarantine import Odd

MAX_SLOW = 3  # items that take too long by themselves, in one transaction: beyond this the server itself is slow
TRIES = 40  # items that are locked by others, in one transaction
LOCKED = (psycopg2.errors.LockNotAvailable, psycopg2.errors.QueryCanceled)
# Errors by which one row may be refused, by PostgreSQL or by the driver that sends it.
REFUSED = (
    psycopg2.DataError,
    psycopg2.IntegrityError,
    psycopg2.InternalError,
    psycopg2.NotSupportedError,
    psycopg2.ProgrammingError,
    psycopg2.errors.ProgramLimitExceeded,
    psycopg2.errors.StatementTooComplex,  # jsonb that is nested too deep for the server's stack
    ValueError,
    TypeError,
    OverflowError,
    RecursionError,
)
Item = TypeVar("Item")


class Careful(DriverTransaction):
    """A transaction in which lists of items are run under savepoints.

    `finds_refused`: PostgreSQL or its driver refused an item; `finds_locked`: an item is locked by another session.
    `odd` holds the refused items.
    """

    def __init__(self, cursor: psycopg2.extensions.cursor, *, finds_refused: bool) -> None:
        super().__init__(cursor)
        self.finds_refused = finds_refused
        self.finds_locked = False
        self.waits = 0
        self.slow = 0
        self.is_bounded = False  # early enough to find the item that takes long
        self.odd: list[Odd] = []

    def set_aside(self, item: object, reason: str) -> None:
        """Records a refused item with the reason."""
        self.odd.append(Odd("row", "commit", reason, repr(item).encode("utf-8", "backslashreplace")))

    def may_be_slow(self, error: BaseException) -> bool:
        """Returns True if a statement may have ended because one of its items took too long."""
        return self.is_bounded and isinstance(error, psycopg2.errors.QueryCanceled) and self.slow < MAX_SLOW


@contextmanager
def bounded(tx: DriverTransaction, milliseconds: int) -> Iterator[None]:
    """Limits the time of each statement in the block that a transaction checking for locks runs."""
    if not isinstance(tx, Careful) or not tx.finds_locked:
        yield
        return
    tx.cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}")
    tx.is_bounded = True
    try:
        yield  # an error ends in a rollback to before it
    finally:
        tx.is_bounded = False
    tx.cursor.execute(f"SET LOCAL statement_timeout = {LEADER_STATEMENT_TIMEOUT_MS}")


def each(
    tx: DriverTransaction,
    items: Sequence[Item],
    run: Callable[[Sequence[Item]], object],
    locked: list[Item] | None = None,
) -> list[Item]:
    """Runs a statement over many items, halved under savepoints if requested.

    Returns the refused items; locked ones are added to `locked`.
    """
    careful = tx if isinstance(tx, Careful) else None
    if careful is None or not (careful.finds_refused or careful.finds_locked):
        run(items)
        return []
    if locked is not None and careful.waits >= TRIES:
        locked.extend(items)
        return []
    tx.cursor.execute("SAVEPOINT part")
    try:
        run(items)
    except LOCKED as error:
        _back_to_savepoint(tx)
        if locked is None:
            if not careful.may_be_slow(error):
                raise
            if len(items) == 1:
                careful.slow += 1
                careful.set_aside(items[0], "changing its row takes too long")
                return list(items)
        careful.waits += 1
        if len(items) == 1:
            locked.extend(items)  # type: ignore[union-attr]
            return []
    except REFUSED as error:
        if is_connection_lost(error):
            raise  # the server is unable, no row is at fault
        _back_to_savepoint(tx)
        if len(items) == 1:
            careful.set_aside(items[0], f"{type(error).__name__}: {error}".strip().splitlines()[0])
            return list(items)
    else:
        tx.cursor.execute("RELEASE SAVEPOINT part")
        return []
    middle = len(items) // 2
    return each(tx, items[:middle], run, locked) + each(tx, items[middle:], run, locked)


def reasons(tx: DriverTransaction, count: int) -> list[str]:
    """Returns the reasons for the last `count` items that `each` refused, one line each."""
    return [odd.reason for odd in tx.odd[-count:]] if isinstance(tx, Careful) and count else []


def _back_to_savepoint(tx: DriverTransaction) -> None:
    tx.cursor.execute("ROLLBACK TO SAVEPOINT part")
    tx.cursor.execute("RELEASE SAVEPOINT part")
