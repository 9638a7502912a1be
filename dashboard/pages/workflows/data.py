"""Reads the Workflows page's data, and implements a viewer's commands to workflows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from taskyard.core.access.identity import Actor
from taskyard.core.errors import WorkflowNotFound
from taskyard.core.payload.typed_text import checked
from taskyard.core.postgres.store import tasks, workflows
from taskyard.core.postgres.store.workflows import GraphEdge, GraphNode, SubmittedWorkflow, WorkflowFilter
from taskyard.core.retry_outcome import RetryPreview
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views.workflow_forecast import Forecast, forecast_of
from taskyard.core.views.workflow_graph import Drawing, drawing_of
from taskyard.core.views.workflows import (
    SeenWorkflow,
    WorkflowPage,
    graph_of,
    page_of,
    submitted_by_tasks,
    workflow_of,
)
from taskyard.core.workflows.states import WorkflowState
from taskyard.dashboard.data.base import Reading, forget
from taskyard.dashboard.data.readings import seen
from taskyard.dashboard.data.viewer import acting

__all__ = ["Drawing", "Forecast", "GraphNode", "SeenWorkflow", "WorkflowPage"]

PAGE_SIZE = 50
DRAWING_SECONDS = 60.0  # what is drawn never changes, but for what retention removes
FORECAST_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list of workflows is narrowed to. `before` is the id behind which it begins, "" for the newest."""

    text: str = ""
    name: str = ""
    states: tuple[WorkflowState, ...] = ()
    before: str = ""

    @property
    def is_empty(self) -> bool:
        """Returns True if it asks for all of them."""
        return self == Asked()


@dataclass(frozen=True, slots=True)
class Now:
    """A workflow as of now (epoch seconds): its tasks that have a key, by id, in the order of submission.

    `children` has, by the ids of these, how many tasks their handlers submitted, directly or not, by state, and
    `submitted` which workflows.
    """

    workflow: SeenWorkflow
    nodes: Mapping[str, GraphNode]
    children: Mapping[str, Mapping[str, int]]
    at: float
    submitted: Mapping[str, Sequence[SubmittedWorkflow]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """How a workflow is drawn, and the edges between its tasks."""

    drawing: Drawing
    edges: Sequence[GraphEdge]


@dataclass(frozen=True, slots=True)
class Detail:
    """A workflow as of now, how it is drawn, and what is foreseen."""

    now: Now
    drawing: Drawing
    forecast: Forecast


@seen()
def page(servers: Servers, sight: Actor, asked: Asked) -> WorkflowPage:
    """Returns a page of the workflows that the viewer sees, newest first."""
    only = WorkflowFilter(asked.states or None, asked.name or None, asked.text or None)
    with servers.database.snapshot() as tx:
        return page_of(tx, sight, only, before=asked.before or None, limit=PAGE_SIZE)


def detail(workflow_id: str) -> Reading[Detail]:
    """Returns a workflow; without a value and without problems if the viewer sees none with this id."""
    current = now(workflow_id)
    known, foreseen = drawn(workflow_id), forecast(workflow_id)
    if current.value is None or known.value is None or foreseen.value is None:
        return Reading(None, current.at, current.problems or known.problems or foreseen.problems)
    return Reading(Detail(current.value, known.value.drawing, foreseen.value), current.at)


@seen()
def now(servers: Servers, sight: Actor, workflow_id: str) -> Now | None:
    """Returns a workflow with its tasks as of now; None if the viewer sees none with this id."""
    with servers.database.snapshot() as tx:  # the counts are those of the tasks that are drawn
        try:
            workflow = workflow_of(tx, sight, workflow_id)
        except WorkflowNotFound:
            return None
        found = [node for node in workflows.nodes(tx, workflow_id) if sight.sees(node.queue, node.type)]
        submitted = submitted_by_tasks(tx, sight, workflow_id)
        at = tasks.now(tx).timestamp()
    own = {node.id: node for node in found if node.key is not None}
    return Now(workflow, own, _children(found), at, _submitted(found, submitted))


@seen(ttl_seconds=DRAWING_SECONDS, max_entries=50)
def drawn(servers: Servers, sight: Actor, workflow_id: str) -> Drawn | None:
    """Returns how a workflow is drawn; None if the viewer sees none with this id."""
    with servers.database.snapshot() as tx:
        try:
            graph = graph_of(tx, sight, workflow_id)
        except WorkflowNotFound:
            return None
    return Drawn(drawing_of([node for node in graph.nodes if node.key is not None], graph.edges), graph.edges)


@seen(ttl_seconds=FORECAST_SECONDS, max_entries=50)
def forecast(servers: Servers, sight: Actor, workflow_id: str) -> Forecast | None:
    """Returns the critical path of a workflow and its estimated end, by what the viewer's other readings have."""
    current, known = now(workflow_id).value, drawn(workflow_id).value
    if current is None or known is None:
        return None
    nodes = list(current.nodes.values())
    with servers.database.transaction() as tx:
        mean_seconds = workflows.mean_seconds(tx, sorted({node.type for node in nodes}))
    return forecast_of(nodes, known.edges, mean_seconds, current.at)


def preview_retry(workflow_id: str) -> RetryPreview | None:
    """Returns what a retry would do; None if that is too much to list. Raises as `retry`."""
    return acting().workflows().preview_retry(workflow_id)


def retry(workflow_id: str, reason: str) -> int:
    """Runs failed and cancelled tasks again, with what comes after them; returns how many.

    Raises NotPermitted, IllegalTransition and others of TaskyardError.
    """
    count = acting().workflows().retry(workflow_id, checked("reason", reason, is_required=False))
    forget()
    return count


def cancel(workflow_id: str, reason: str) -> int:
    """Cancels all unfinished tasks, those that handlers submitted, too; returns how many. Raises as `retry`."""
    count = acting().workflows().cancel(workflow_id, checked("reason", reason, is_required=False))
    forget()
    return count


def _children(nodes: Sequence[GraphNode]) -> Mapping[str, Mapping[str, int]]:
    """Returns how many tasks handlers submitted, by the task with a key that is above them, and by state."""
    above = _above(nodes)
    counts: dict[str, Counter[str]] = {}
    for node in nodes:
        if node.submitted_by is not None:
            counts.setdefault(_top(above, node.submitted_by), Counter())[node.state] += 1
    return counts


def _submitted(
    nodes: Sequence[GraphNode], submitted: Sequence[SubmittedWorkflow]
) -> Mapping[str, Sequence[SubmittedWorkflow]]:
    """Returns the workflows that handlers submitted, by the task with a key that is above them."""
    above = _above(nodes)
    found: dict[str, list[SubmittedWorkflow]] = {}
    for one in submitted:
        found.setdefault(_top(above, one.submitted_by), []).append(one)
    return found


def _above(nodes: Sequence[GraphNode]) -> Mapping[str, str]:
    return {node.id: node.submitted_by for node in nodes if node.submitted_by is not None}


def _top(above: Mapping[str, str], task_id: str) -> str:
    while task_id in above:
        task_id = above[task_id]
    return task_id
