"""Stores signals of tasks, and finds those that suspended tasks wait for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries

SIGNAL, ANSWER, TIMEOUT = "signal", "answer", "timeout"  # kinds


class Target(NamedTuple):
    """The task that gets a signal, whose row is locked."""

    state: str
    suspension: dict[str, Any] | None
    queue: str
    type: str


class Awaited(NamedTuple):
    """A signal by the name that a suspended task waits for; `data` is JSON text, None of a timeout."""

    task_id: str
    signal_id: str
    kind: str
    data: str | None


class Signal(NamedTuple):
    """A signal as it is stored."""

    number: int
    name: str
    signal_id: str
    kind: str
    data: Any
    sent_by: str
    sent_at: datetime


def lock_task(tx: Transaction, task_id: str) -> Target | None:
    """Locks a task's row and returns what a sender must know; None if there is no such task."""
    rows = tx.rows(queries("signals")["lock_task"], {"id": task_id})
    return Target(*rows[0]) if rows else None


def is_known(tx: Transaction, task_id: str, name: str, signal_id: str) -> bool:
    """Returns True if a signal by this id was sent before."""
    parameters = {"id": task_id, "name": name, "signal_id": signal_id}
    return bool(tx.rows(queries("signals")["is_known"], parameters)[0][0])


def taken(tx: Transaction, task_id: str) -> tuple[int, int]:
    """Returns how many signals a task has, and the bytes of their data."""
    count, size = tx.rows(queries("signals")["taken"], {"id": task_id})[0]
    return count, int(size)


def add(
    tx: Transaction, task_id: str, name: str, signal_id: str, data: str, actor: str, *, kind: str, reason: str
) -> None:
    """Stores a signal of a locked task with its audit row; `data` is JSON text."""
    parameters = {
        "id": task_id,
        "name": name,
        "signal_id": signal_id,
        "kind": kind,
        "data": data,
        "actor": actor,
        "reason": reason,
    }
    tx.rows(queries("signals")["add"], parameters)


def awaited(tx: Transaction, ids: Sequence[str], names: Sequence[str], afters: Sequence[int]) -> list[Awaited]:
    """Returns the signals that these tasks wait for, by number."""
    parameters = {"ids": plain(ids), "names": quoted(names), "afters": plain(afters)}
    return [Awaited(*row) for row in tx.rows(queries("signals")["awaited"], parameters)]


def note_refused(tx: Transaction, refusals: Sequence[tuple[str, str, str, str]]) -> None:
    """Records (task, name, signal id, reason) of signals that do not fit what their tasks wait for."""
    ids, names, signal_ids, reasons = zip(*refusals, strict=True)
    parameters = {
        "ids": plain(ids),
        "names": quoted(names),
        "signal_ids": quoted(signal_ids),
        "reasons": quoted(reasons),
    }
    tx.rows(queries("signals")["note_refused"], parameters)


def of_task(tx: Transaction, task_id: str) -> list[Signal]:
    """Returns a task's signals in their order."""
    return [Signal(*row) for row in tx.rows(queries("signals")["of_task"], {"id": task_id})]
