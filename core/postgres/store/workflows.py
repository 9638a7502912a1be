"""Reads workflows with their tasks and edges, and stores their ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from taskyard.core.edges import Condition
from taskyard.core.errors import WorkflowNotFound
from taskyard.core.filters.fields import like_pattern
from taskyard.core.postgres.arrays import plain
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.states import TaskState
from taskyard.core.workflows.definition import MAX_EDGES
from taskyard.core.workflows.states import OPEN, Figures, WorkflowState

MAX_PAGE_SIZE = 200
MAX_NODES = 20_000  # of a graph: those of its submission, and what their handlers submitted
MAX_SUBMITTED = 1_000  # workflows that handlers of one workflow's tasks submitted
ENDS_SLICE = 1_000  # open workflows that one tick looks at
ENDS_TASKS = 5_000  # of those that one tick ends
MEAN_DAYS = 7


@dataclass(frozen=True, slots=True)
class WorkflowFilter:
    """Narrows a list of workflows. `text` is a part of name, title or id, `parent` the task whose handler submitted."""

    states: Sequence[WorkflowState] | None = None
    name: str | None = None
    text: str | None = None
    created_by: str | None = None
    parent: str | None = None


class Workflow(NamedTuple):
    """A workflow's row. `tasks` were submitted with it; `state` and `counts` are None until it has ended."""

    id: str
    kind: str
    name: str
    title: str | None
    tasks: int
    parent_task_id: str | None
    created_by: str
    created_at: datetime
    cancelled_at: datetime | None
    ended_at: datetime | None
    state: str | None
    counts: dict[str, int] | None


class GraphNode(NamedTuple):
    """A task of a workflow. `submitted_by` is the task whose handler submitted it; such a one has no key.

    `failed_before` says that it was cancelled because a task before it failed.
    """

    id: str
    key: str | None
    type: str
    queue: str
    title: str | None
    state: TaskState
    attempt: int
    progress: float | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    submitted_by: str | None
    failed_before: bool = False
    run_at: datetime | None = None  # before which it does not start

    @property
    def end(self) -> TaskState:
        """Returns its state, as tasks that wait for its failure take it."""
        return TaskState.FAILED if self.failed_before else self.state


class GraphEdge(NamedTuple):
    """An edge between two tasks of a workflow: whether the child waits, and when its condition was met."""

    parent: str
    child: str
    condition: Condition
    is_open: bool
    met_at: datetime | None


class SubmittedWorkflow(NamedTuple):
    """A workflow that the handler of another one's task submitted; `state` is None until it has ended."""

    id: str
    name: str
    title: str | None
    state: str | None
    submitted_by: str


class Ends(NamedTuple):
    """Workflows whose end was stored, and where the next slice begins (None: all open ones were looked at)."""

    ended: list[str]
    next: str | None


def page(tx: Transaction, only: WorkflowFilter, *, before: str | None = None, limit: int = 50) -> list[Workflow]:
    """Returns workflows before an id, newest first. Open ones match each of the states running and stuck."""
    states = None if only.states is None else [state.value for state in only.states]
    return _rows(
        tx,
        before=before,
        name=only.name,
        created_by=only.created_by,
        parent=only.parent,
        pattern=None if not only.text else like_pattern(only.text),
        states=states,
        is_open=states is None or any(state in OPEN for state in only.states or ()),
        limit=limit,
    )


def get(tx: Transaction, workflow_id: str) -> Workflow:
    """Returns one workflow; raises WorkflowNotFound."""
    found = _rows(tx, ids=[workflow_id])
    if not found:
        raise WorkflowNotFound(workflow_id)
    return found[0]


def figures(tx: Transaction, ids: Sequence[str]) -> dict[str, list[Figures]]:
    """Returns the tasks of workflows by queue, type and state."""
    found: dict[str, list[Figures]] = {id_: [] for id_ in ids}
    for id_, queue, type_, state, *rest in tx.rows(queries("workflows")["figures"], {"ids": list(ids)}):
        found[str(id_)].append(Figures(queue, type_, TaskState(state), *rest))
    return found


def mean_seconds(tx: Transaction, types: Sequence[str]) -> dict[str, float]:
    """Returns the mean run times of types in the last MEAN_DAYS days, of those that ran."""
    return dict(tx.rows(queries("workflows")["mean_seconds"], {"types": list(types), "days": MEAN_DAYS}))


def nodes(tx: Transaction, workflow_id: str, limit: int = MAX_NODES) -> list[GraphNode]:
    """Returns the tasks of a workflow in the order of their submission, at most `limit`."""
    rows = tx.rows(queries("workflows")["nodes"], {"id": workflow_id, "limit": limit})
    return [GraphNode._make(row)._replace(state=TaskState(row[5])) for row in rows]


def edges(tx: Transaction, workflow_id: str, limit: int = MAX_EDGES) -> list[GraphEdge]:
    """Returns the edges between the tasks of a workflow, at most `limit`."""
    rows = tx.rows(queries("workflows")["edges"], {"id": workflow_id, "limit": limit})
    return [GraphEdge(parent, child, Condition(condition), *rest) for parent, child, condition, *rest in rows]


def submitted(tx: Transaction, workflow_id: str, limit: int = MAX_SUBMITTED) -> list[SubmittedWorkflow]:
    """Returns the workflows that handlers of a workflow's tasks submitted, in that order, at most `limit`."""
    rows = tx.rows(queries("workflows")["submitted"], {"id": workflow_id, "limit": limit})
    return [SubmittedWorkflow._make(row) for row in rows]


def end_some(tx: Transaction, after: str) -> Ends:
    """Stores the ends of workflows without open tasks, of a slice of the open ones after an id."""
    rows = tx.rows(queries("workflows")["without_open_tasks"], {"after": after, "limit": ENDS_SLICE})
    chosen: list[str] = []
    tasks, next_after = 0, rows[0][2] if rows else None
    for id_, count, _ in rows:
        if id_ is None:
            continue
        if chosen and tasks + count > ENDS_TASKS:
            return Ends(_end(tx, chosen), chosen[-1])
        chosen.append(id_)
        tasks += count
    return Ends(_end(tx, chosen) if chosen else [], next_after)


def cancel(tx: Transaction, workflow_id: str, actor: str, reason: str) -> bool:
    """Marks an open workflow as cancelled; returns False if it has ended, or was cancelled before."""
    return bool(tx.rows(queries("workflows")["cancel"], {"id": workflow_id, "actor": actor, "reason": reason}))


def open_tasks(tx: Transaction, workflow_id: str, limit: int) -> list[str]:
    """Returns open tasks of a workflow and of those that its handlers submitted."""
    return [row[0] for row in tx.rows(queries("workflows")["open_tasks"], {"id": workflow_id, "limit": limit})]


def to_retry(tx: Transaction, workflow_id: str) -> list[str]:
    """Returns the failed and cancelled tasks of a workflow in id order."""
    return [row[0] for row in tx.rows(queries("workflows")["to_retry"], {"id": workflow_id})]


def note_retry(tx: Transaction, workflow_id: str, actor: str, reason: str, tasks: int) -> None:
    """Makes a workflow that somebody cancelled an ordinary one again, and writes the audit row of its retry."""
    tx.rows(queries("workflows")["note_retry"], {"id": workflow_id, "actor": actor, "reason": reason, "tasks": tasks})


def prune(tx: Transaction, days: int, limit: int) -> int:
    """Removes at most `limit` workflows that ended more than `days` ago and have no tasks; returns how many."""
    return int(tx.rows(queries("workflows")["prune"], {"days": days, "limit": limit})[0][0])


def _rows(tx: Transaction, **given: Any) -> list[Workflow]:
    parameters: dict[str, Any] = dict.fromkeys(("before", "ids", "name", "created_by", "parent", "pattern", "states"))
    parameters |= {"is_open": True, "limit": MAX_PAGE_SIZE, **given}
    return [Workflow(*row) for row in tx.rows(queries("workflows")["page"], parameters)]


def _end(tx: Transaction, ids: Sequence[str]) -> list[str]:
    return [row[0] for row in tx.rows(queries("workflows")["end"], {"ids": plain(ids)})]
