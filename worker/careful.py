"""Finds the row of many that PostgreSQL or its driver refuses: by halving, under savepoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from core.database import DriverTransaction
from core.database_errors import is_connection_lost
from core.quarantine import Odd

# What one row may be refused with, by PostgreSQL or by the driver that is to send it.
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
    """A transaction in which lists of items are run under savepoints; `odd` is what was refused."""

    def __init__(self, cursor: psycopg2.extensions.cursor) -> None:
        super().__init__(cursor)
        self.odd: list[Odd] = []


def each(tx: DriverTransaction, items: Sequence[Item], run: Callable[[Sequence[Item]], object]) -> list[Item]:
    """Runs a statement over many items; when careful, returns the items that PostgreSQL refuses as data."""
    if not isinstance(tx, Careful):
        run(items)
        return []
    tx.cursor.execute("SAVEPOINT part")
    try:
        run(items)
    except REFUSED as error:
        if is_connection_lost(error):
            raise  # it is the server that can't, and no row's fault
        tx.cursor.execute("ROLLBACK TO SAVEPOINT part")
        tx.cursor.execute("RELEASE SAVEPOINT part")
        if len(items) == 1:
            reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            tx.odd.append(Odd("row", "commit", reason, repr(items[0]).encode("utf-8", "backslashreplace")))
            return list(items)
        middle = len(items) // 2
        return each(tx, items[:middle], run) + each(tx, items[middle:], run)
    tx.cursor.execute("RELEASE SAVEPOINT part")
    return []
