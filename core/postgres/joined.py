"""Runs a transaction in fewer round trips: its BEGIN travels with its first statement.

psycopg2 sends a BEGIN of its own first, and waits for the answer. On the way of one task that is a tenth of a tick.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from taskyard.core.postgres.database import DriverTransaction


class _Joined(DriverTransaction):
    def __init__(self, cursor: Any, first: str) -> None:
        super().__init__(cursor)
        self._first = first

    def rows(self, statement: str, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        rows = super().rows(statement, parameters)
        self._first = ""
        return rows


@contextmanager
def joined(connection: psycopg2.extensions.connection, *, is_lone: bool) -> Iterator[DriverTransaction]:
    """Opens a transaction: commits at the end, rolls back on an error. Statements run by its `rows` alone.

    With `is_lone` the block runs one statement at most, which is a transaction of its own then. Raises the driver's
    errors.
    """
    connection.autocommit = True  # as far as the driver knows: it begins and ends nothing by itself
    try:
        with connection.cursor() as cursor:
            try:
                yield _Joined(cursor, "" if is_lone else "BEGIN; ")
                if not is_lone:
                    cursor.execute("COMMIT")
            except BaseException:
                if not connection.closed and connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
                    _roll_back(connection, cursor)
                raise
    finally:
        if not connection.closed:
            connection.autocommit = False


def _roll_back(connection: psycopg2.extensions.connection, cursor: Any) -> None:
    try:
        cursor.execute("ROLLBACK")
    except psycopg2.Error as error:
        connection.close()  # the driver does not know that it is in a transaction, and would go on in it
        raise psycopg2.InterfaceError(f"a rollback failed: {error}") from error
