"""Suspends tasks, wakes them, and reads the outcomes of the tasks that their handlers submitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from taskyard.core.models import Waiting
from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.recovery import NIL
from taskyard.core.questions.question import Asked

PAGE_TASKS = 500
PAGE_BYTES = 1 << 20


@dataclass(slots=True)
class Suspension:
    """An attempt that suspends its task: what it waits for, and what is to be stored of it.

    `until` is the JSON text of tasks.suspension; it is due after `delay_seconds`, or at `at` (epoch seconds); `state`
    is JSON text, None: the earlier checkpoint stays. `signals` is JSON text. `children` is False, or True if it waits
    for tasks that it submitted: `wanted` is the JSON text of their ids, None for all. `signal` is the name of the
    signal that it waits for with a number beyond `after`, whose data fit `schema`; `question` is what it asks people.
    """

    id: str
    attempt: int
    until: str
    delay_seconds: float | None = None
    at: float | None = None
    state: str | None = None
    children_before: int = 0
    signals: str | None = None
    error: str | None = None
    started_at: float | None = None
    run_seconds: float | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    children: bool = False
    wanted: str | None = None
    signal: str | None = None
    after: int = 0
    schema: dict[str, object] | None = None
    question: Asked | None = None


class Recorded(NamedTuple):
    """A suspended task; `waiting` is its place among those that are due later, None without a time."""

    id: str
    waiting: Waiting | None
    has_signals: bool


class Outcome(NamedTuple):
    """How a child stands; `output` and `error` are JSON texts."""

    id: str
    key: str
    type: str
    state: str
    output: str | None
    error: str | None


class ChildCount(NamedTuple):
    """How many children there are, how many have not ended, and one that itself waits for the task's end."""

    total: int
    unfinished: int
    waits_for_it: str | None


def suspend(tx: Transaction, suspensions: Sequence[Suspension]) -> list[Recorded]:
    """Records attempts that suspended their tasks; the others' attempts are not current, or their rows are locked."""
    rows = tx.rows(
        queries("suspension")["suspend"],
        {
            "ids": plain(s.id for s in suspensions),
            "attempts": plain(s.attempt for s in suspensions),
            "suspensions": quoted(s.until for s in suspensions),
            "delays": plain(s.delay_seconds for s in suspensions),
            "ats": plain(s.at for s in suspensions),
            "states": quoted(s.state for s in suspensions),
            "children": plain(s.children_before for s in suspensions),
            "signals": quoted(s.signals for s in suspensions),
            "errors": quoted(s.error for s in suspensions),
            "started": plain(s.started_at for s in suspensions),
            "run_seconds": plain(s.run_seconds for s in suspensions),
            "cpu_seconds": plain(s.cpu_seconds for s in suspensions),
            "peaks": plain(s.peak_memory_bytes for s in suspensions),
        },
    )
    return [Recorded(row[0], Waiting.from_row(row) if row[8] else None, row[9]) for row in rows]


def await_children(tx: Transaction, ids: Sequence[str], wanted: Sequence[str | None]) -> dict[str, int]:
    """Makes suspended tasks wait for these children (JSON texts of ids; None: all); returns for how many each."""
    parameters = {"ids": plain(ids), "wanted": quoted(wanted)}
    return dict(tx.rows(queries("suspension")["await_children"], parameters))


def wake(tx: Transaction, ids: Sequence[str], actor: str) -> list[Waiting]:
    """Makes suspended tasks pending, whose rows the transaction has locked; returns them."""
    return [
        Waiting.from_row(row) for row in tx.rows(queries("suspension")["wake"], {"ids": plain(ids), "actor": actor})
    ]


def outcomes(tx: Transaction, task_id: str, wanted: Sequence[str] | None, after: str) -> list[Outcome]:
    """Returns a page of a task's children in their order, behind the id `after` ("": from the first)."""
    parameters = {
        "id": task_id,
        "wanted": None if wanted is None else plain(wanted),
        "after": after or NIL,
        "limit": PAGE_TASKS,
        "bytes": PAGE_BYTES,
    }
    return [Outcome(*row) for row in tx.rows(queries("suspension")["outcomes"], parameters)]


def children(tx: Transaction, task_id: str, wanted: Sequence[str] | None) -> ChildCount:
    """Returns what there is to know of a task's children before it waits for them."""
    parameters = {"id": task_id, "wanted": None if wanted is None else plain(wanted)}
    return ChildCount(*tx.rows(queries("suspension")["children"], parameters)[0])
