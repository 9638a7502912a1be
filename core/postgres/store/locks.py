"""Finds the sessions that hold locks others wait for, and limits how long a transaction waits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from taskyard.core.errors import Busy, Unavailable
from taskyard.core.i18n import msg
from taskyard.core.postgres.arrays import plain
from taskyard.core.postgres.connections import LOCK_TIMEOUT_MS
from taskyard.core.postgres.database import Database, Transaction, queries
from taskyard.core.postgres.locks import ROW, TABLE, Blocker, shown_query

MAX_ROWS = 20  # rows whose holders are asked for at a time
NEEDED_BY_TASKS = ("tasks", "task_events")  # by each of their transitions
SURE_SECONDS = 1.0  # a table lock younger than this is normal


def of_tables(tx: Transaction, tables: Iterable[str]) -> list[Blocker]:
    """Returns sessions whose locks keep us from writing to these tables, oldest transaction first."""
    rows = tx.rows(queries("locks")["of_tables"], {"tables": plain(tables)})
    return [_blocker(msg(TABLE, name=row[0]), row[1:]) for row in rows]


def of_rows(tx: Transaction, task_ids: Sequence[str]) -> dict[str, Blocker]:
    """Returns the oldest session that holds each of these tasks' rows; ids of free rows are left out."""
    found: dict[str, Blocker] = {}
    for row in tx.rows(queries("locks")["of_rows"], {"ids": plain(task_ids[:MAX_ROWS])}):
        found.setdefault(row[0], _blocker(msg(ROW, id=row[0]), row[1:]))
    return found


def in_the_way_of(tx: Transaction, task_id: str) -> list[Blocker]:
    """Returns sessions that have kept the tick from changing this task for more than SURE_SECONDS."""
    found = [*of_rows(tx, [task_id]).values(), *of_tables(tx, NEEDED_BY_TASKS)]
    return [blocker for blocker in found if blocker.seconds >= SURE_SECONDS]


def holders(tx: Transaction, least_seconds: float) -> list[Blocker]:
    """Returns sessions with a transaction of at least this age that changed or locked our data, oldest first."""
    rows = tx.rows(queries("locks")["oldest_holders"], {"seconds": least_seconds})
    return [_blocker(msg(TABLE, name=row[0]), row[1:]) for row in rows]


def wait_at_most(tx: Transaction, milliseconds: int) -> None:
    """Limits how long each later statement of this transaction may wait for a lock before it raises Busy."""
    tx.rows(queries("retention")["lock_timeout"], {"milliseconds": str(milliseconds)})


@contextlib.contextmanager
def naming_holders(database: Database) -> Iterator[None]:
    """Adds the likely lock holder to a Busy: the oldest transaction that holds any of our locks."""
    try:
        yield
    except Busy as error:
        if not error.is_locked:
            raise
        found: list[Blocker] = []
        with contextlib.suppress(Unavailable), database.transaction() as tx:
            found = holders(tx, 0.9 * LOCK_TIMEOUT_MS / 1000)
        if not found:
            raise
        raise Busy(msg("{text}; {holder}", text=error.text, holder=found[0].text), is_locked=True) from error


def _blocker(what: str, row: Sequence[Any]) -> Blocker:
    pid, application, user, client, state, seconds, query = row
    return Blocker(what, pid, application or "", user or "", client, state or "", seconds or 0.0, shown_query(query))
