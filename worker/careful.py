"""Statements over many items, halved under savepoints until what can't be done stands alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import psycopg2
import psycopg2.errors

from core.database import DriverTransaction

TRIES = 40  # of things that somebody's lock keeps back, in one transaction
LOCKED = (psycopg2.errors.LockNotAvailable, psycopg2.errors.QueryCanceled)
Item = TypeVar("Item")


class CarefulTransaction(DriverTransaction):
    """A transaction in which lists of items are run under savepoints.

    `finds_refused`: PostgreSQL refused one of them as data; `finds_locked`: somebody else holds what one of them needs.
    """

    finds_refused = False
    finds_locked = False
    waits = 0


def each(
    tx: DriverTransaction,
    items: Sequence[Item],
    run: Callable[[Sequence[Item]], object],
    locked: list[Item] | None = None,
) -> list[Item]:
    """Runs a statement over many items, halved under savepoints if that is asked for.

    Returns the items that PostgreSQL refuses as data; those that wait for somebody's lock go into `locked`.
    """
    careful = tx if isinstance(tx, CarefulTransaction) else None
    if careful is None or not (careful.finds_refused or (careful.finds_locked and locked is not None)):
        run(items)
        return []
    if locked is not None and careful.waits >= TRIES:
        locked.extend(items)
        return []
    tx.cursor.execute("SAVEPOINT part")
    try:
        run(items)
    except psycopg2.DataError:
        _back_to_savepoint(tx)
        if len(items) == 1:
            return list(items)
    except LOCKED:
        _back_to_savepoint(tx)
        if locked is None:
            raise
        careful.waits += 1
        if len(items) == 1:
            locked.extend(items)
            return []
    else:
        tx.cursor.execute("RELEASE SAVEPOINT part")
        return []
    middle = len(items) // 2
    return each(tx, items[:middle], run, locked) + each(tx, items[middle:], run, locked)


def _back_to_savepoint(tx: DriverTransaction) -> None:
    tx.cursor.execute("ROLLBACK TO SAVEPOINT part")
    tx.cursor.execute("RELEASE SAVEPOINT part")
