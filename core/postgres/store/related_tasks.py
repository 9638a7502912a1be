"""Finds tasks related to a task: those it submitted, those that wait for it, and similar failures."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from taskyard.core.edges import Condition, EdgeState, edge_state
from taskyard.core.postgres.arrays import plain
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.recovery import NIL
from taskyard.core.states import TaskState

SLICE = 10_000  # tasks of a workflow read at a time


class Related(NamedTuple):
    """A short summary of another task; of a parent or dependant also the edge between them."""

    id: str
    type: str
    title: str | None
    state: str
    condition: Condition | None = None
    edge: EdgeState | None = None
    met_at: datetime | None = None


class SimilarFailure(NamedTuple):
    """A task that failed with the same error."""

    id: str
    type: str
    title: str | None
    state: str
    agent_id: str | None
    finished_at: datetime


def submitted_by(tx: Transaction, task_id: str, limit: int = 100) -> list[Related]:
    """Returns the first tasks that a task's handler submitted."""
    rows = tx.rows(queries("related_tasks")["submitted_by"], {"id": task_id, "limit": limit})
    return [Related(*row) for row in rows]


def open_below(tx: Transaction, task_id: str) -> list[str]:
    """Returns the ids of all unfinished descendants that a task's handler submitted, nearest first.

    Tasks of workflows that it or they submitted come last.
    """
    children: dict[str, list[str]] = {}
    is_open: dict[str, bool] = {}
    after = NIL
    while True:
        rows = tx.rows(queries("related_tasks")["whole_tree"], {"id": task_id, "after": after, "limit": SLICE})
        for id_, parent, has_not_ended in rows:
            children.setdefault(parent, []).append(id_)
            is_open[id_] = has_not_ended
        if len(rows) < SLICE:
            break
        after = rows[-1][0]
    below = list(children.pop(task_id, ()))
    for id_ in below:  # grows during the iteration
        below += children.pop(id_, ())
    found = [id_ for id_ in below if is_open[id_]]
    rows = tx.rows(queries("related_tasks")["open_in_workflows"], {"ids": plain([task_id, *below])})
    return list(dict.fromkeys([*found, *(row[0] for row in rows)]))


def after_it(tx: Transaction, task_id: str, limit: int = 100) -> list[Related]:
    """Returns the tasks that were submitted to start after a task."""
    rows = tx.rows(queries("related_tasks")["after_it"], {"id": task_id, "limit": limit})
    return [_with_edge(*row) for row in rows]


def before_it(tx: Transaction, task_id: str, limit: int = 100) -> list[Related]:
    """Returns the tasks that a task was submitted to start after."""
    rows = tx.rows(queries("related_tasks")["before_it"], {"id": task_id, "limit": limit})
    return [_with_edge(*row) for row in rows]


def similar_failures(
    tx: Transaction, fingerprint: str, *, besides: str | None = None, limit: int = 20
) -> list[SimilarFailure]:
    """Returns the newest failed tasks with this fingerprint, without the task `besides`.

    See core.scheduling.retry.fingerprint.
    """
    parameters = {"fingerprint": fingerprint, "besides": besides, "limit": limit}
    return [SimilarFailure(*row) for row in tx.rows(queries("related_tasks")["similar_failures"], parameters)]


def _with_edge(
    id_: str, type_: str, title: str | None, state: str, condition: str, met_at: datetime | None, parent_state: str
) -> Related:
    wanted = Condition(condition)
    edge = edge_state(wanted, TaskState(parent_state), was_met=met_at is not None)
    return Related(id_, type_, title, state, wanted, edge, met_at)
