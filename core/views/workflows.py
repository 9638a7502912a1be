"""Reads workflows with their state, counts and progress, as an actor may see them.

An actor whose role is narrowed to queues and types sees a workflow of which it sees a task, and of that only these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from taskyard.core.access.identity import Actor
from taskyard.core.errors import WorkflowNotFound
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import tasks, workflows
from taskyard.core.postgres.store.workflows import GraphEdge, GraphNode, SubmittedWorkflow, Workflow, WorkflowFilter
from taskyard.core.workflows.states import (
    OPEN,
    Figures,
    WorkflowState,
    counts_of,
    open_state,
    progress_at_end,
    progress_of,
)

MAX_READS = 20  # pages that are read for one, where not all of them are seen


@dataclass(frozen=True, slots=True)
class SeenWorkflow:
    """A workflow with its figures. `tasks` counts all of its tasks, those that handlers submitted among them.

    `progress` is the share of predicted work that is done, from 0 to 1. `duration_seconds` is that until its end, or
    until now.
    """

    id: str
    kind: str
    name: str
    title: str | None
    state: WorkflowState
    tasks: int
    counts: Mapping[str, int]
    progress: float
    parent_task_id: str | None
    created_by: str
    created_at: datetime
    cancelled_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class WorkflowPage:
    """A page of workflows, newest first; `next` is where the following one begins (None: this is the last)."""

    workflows: Sequence[SeenWorkflow]
    next: str | None


@dataclass(frozen=True, slots=True)
class WorkflowGraph:
    """A workflow with its tasks in the order of their submission, and the edges between them.

    `submitted` are the workflows that the handlers of these tasks submitted.
    """

    workflow: SeenWorkflow
    nodes: Sequence[GraphNode]
    edges: Sequence[GraphEdge]
    submitted: Sequence[SubmittedWorkflow]


def page_of(
    tx: Transaction, actor: Actor, only: WorkflowFilter, *, before: str | None = None, limit: int = 50
) -> WorkflowPage:
    """Returns workflows that match and that the actor sees."""
    found: list[SeenWorkflow] = []
    place = before
    for _ in range(MAX_READS):
        rows = workflows.page(tx, only, before=place, limit=limit)
        seen = _seen(tx, actor, rows)
        if only.states is not None:
            seen = [one for one in seen if one.state in only.states]
        found += seen
        place = rows[-1].id if len(rows) == limit else None
        if place is None or len(found) >= limit:
            break
    if len(found) > limit:
        return WorkflowPage(found[:limit], found[limit - 1].id)
    return WorkflowPage(found, place)


def workflow_of(tx: Transaction, actor: Actor, workflow_id: str) -> SeenWorkflow:
    """Returns one workflow; raises WorkflowNotFound."""
    seen = _seen(tx, actor, [workflows.get(tx, workflow_id)])
    if not seen:
        raise WorkflowNotFound(workflow_id)
    return seen[0]


def graph_of(tx: Transaction, actor: Actor, workflow_id: str) -> WorkflowGraph:
    """Returns one workflow with its graph; raises WorkflowNotFound."""
    workflow = workflow_of(tx, actor, workflow_id)
    nodes: Sequence[GraphNode] = workflows.nodes(tx, workflow_id)
    edges: Sequence[GraphEdge] = workflows.edges(tx, workflow_id)
    if actor.is_narrowed:
        nodes = [node for node in nodes if actor.sees(node.queue, node.type)]
        ids = {node.id for node in nodes}
        edges = [edge for edge in edges if edge.parent in ids and edge.child in ids]
    return WorkflowGraph(workflow, nodes, edges, submitted_by_tasks(tx, actor, workflow_id))


def submitted_by_tasks(tx: Transaction, actor: Actor, workflow_id: str) -> list[SubmittedWorkflow]:
    """Returns the workflows that handlers of a workflow's tasks submitted, of which the actor sees a task."""
    found = workflows.submitted(tx, workflow_id)
    if not actor.is_narrowed or not found:
        return found
    figures = workflows.figures(tx, [one.id for one in found])
    return [one for one in found if any(actor.sees(of.queue, of.type) for of in figures[one.id])]


def _seen(tx: Transaction, actor: Actor, rows: Sequence[Workflow]) -> list[SeenWorkflow]:
    """Returns workflows with their figures; those of which the actor sees no task are left out."""
    read = [row.id for row in rows if row.ended_at is None or actor.is_narrowed]
    figures = workflows.figures(tx, read) if read else {}
    known = {id_: [one for one in of if actor.sees(one.queue, one.type)] for id_, of in figures.items()}
    open_ones = [row.id for row in rows if row.ended_at is None]
    types = {one.type for id_ in open_ones for one in known[id_]}
    mean_seconds = workflows.mean_seconds(tx, sorted(types)) if types else {}
    now = tasks.now(tx)
    found = []
    for row in rows:
        if actor.is_narrowed and not known[row.id]:
            continue
        found.append(_with_figures(row, known.get(row.id), mean_seconds, now))
    return found


def _with_figures(
    row: Workflow, figures: Sequence[Figures] | None, mean_seconds: Mapping[str, float], now: datetime
) -> SeenWorkflow:
    counts = dict(row.counts or {}) if figures is None else counts_of(figures)
    state = open_state(figures or ()) if row.state is None else WorkflowState(row.state)
    return SeenWorkflow(
        id=row.id,
        kind=row.kind,
        name=row.name,
        title=row.title,
        state=state,
        tasks=sum(counts.values()),
        counts=counts,
        progress=progress_of(figures or (), mean_seconds) if state in OPEN else progress_at_end(state, counts),
        parent_task_id=row.parent_task_id,
        created_by=row.created_by,
        created_at=row.created_at,
        cancelled_at=row.cancelled_at,
        ended_at=row.ended_at,
        duration_seconds=max(0.0, ((row.ended_at or now) - row.created_at).total_seconds()),
    )
