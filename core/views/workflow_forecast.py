"""Finds the chain of tasks that decides when a workflow ends, and estimates that time (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from taskyard.core.edges import Condition, is_met
from taskyard.core.postgres.store.workflows import GraphEdge, GraphNode
from taskyard.core.states import CLAIMED, TERMINAL, TaskState
from taskyard.core.workflows.graph import ordered


@dataclass(frozen=True, slots=True)
class Forecast:
    """The critical path, by the ids of its tasks, and the estimated end (epoch seconds).

    `ends_at` is None if the workflow has ended, if a task of it can't go on by itself, or if no run time is known.
    """

    path: Sequence[str]
    ends_at: float | None


def forecast_of(
    nodes: Sequence[GraphNode], edges: Sequence[GraphEdge], mean_seconds: Mapping[str, float], now: float
) -> Forecast:
    """Returns the forecast; `mean_seconds` are run times by type, `now` is in epoch seconds.

    A type's run time is that of the workflow's own completed tasks, or else that in `mean_seconds`; types of which
    nothing is known take what the others take on average. An open task ends so long after the last of its parents, and
    after the time that it was set for. All
    open ones together take at least their sum, divided by how many run at a time, which is what a wide fan-out takes.
    """
    known = {node.id: node for node in nodes}
    waits = _waits(known, edges)
    usual = {**mean_seconds, **_own_means(nodes)}
    otherwise = sum(usual.values()) / len(usual) if usual else 1.0
    ends: dict[str, float] = {}  # of those that have ended, or can run
    last_parent: dict[str, str] = {}
    left_seconds, is_held_up = 0.0, False
    for id_ in ordered({child: list(parents) for child, parents in waits.items()}):
        node, parents = known[id_], waits[id_]
        before = [parent for parent in parents if parent in ends]
        if before:
            last_parent[id_] = max(before, key=lambda parent: (ends[parent], parent))
        if node.state in TERMINAL:
            if node.started_at is not None and node.finished_at is not None:
                ends[id_] = node.finished_at.timestamp()
        elif node.state is TaskState.SUSPENDED or not all(
            _may_be_met(known[one], parents[one], ends) for one in parents
        ):
            is_held_up = True
        else:
            left = _left_seconds(node, usual.get(node.type, otherwise), now)
            left_seconds += left
            begin = max([now, *(ends[parent] for parent in before)])
            ends[id_] = (begin if node.run_at is None else max(begin, node.run_at.timestamp())) + left
    path = _path(ends, last_parent)
    if is_held_up or not path or not usual or all(node.state in TERMINAL for node in nodes):
        return Forecast(path, None)
    together = now + left_seconds / _running_at_a_time(nodes, now)
    return Forecast(path, max(ends[path[-1]], together))


def _waits(known: Mapping[str, GraphNode], edges: Iterable[GraphEdge]) -> dict[str, dict[str, Condition]]:
    """Returns what each task waits or waited for, by its id."""
    found: dict[str, dict[str, Condition]] = {id_: {} for id_ in known}
    for edge in edges:
        if edge.child in known and edge.parent in known:
            found[edge.child][edge.parent] = edge.condition
    return found


def _own_means(nodes: Iterable[GraphNode]) -> dict[str, float]:
    """Returns the mean run times of the completed tasks, by type."""
    ran: dict[str, list[float]] = {}
    for node in nodes:
        if node.state is TaskState.COMPLETED and node.started_at is not None and node.finished_at is not None:
            ran.setdefault(node.type, []).append((node.finished_at - node.started_at).total_seconds())
    return {type_: sum(seconds) / len(seconds) for type_, seconds in ran.items()}


def _may_be_met(parent: GraphNode, condition: Condition, ends: Mapping[str, float]) -> bool:
    met = is_met(condition, parent.end)
    return parent.id in ends if met is None else met


def _left_seconds(node: GraphNode, usual: float, now: float) -> float:
    """Returns how long an open task still runs."""
    if node.state in CLAIMED and node.started_at is not None:
        return max(0.0, node.started_at.timestamp() + usual - now)
    return usual


def _running_at_a_time(nodes: Sequence[GraphNode], now: float) -> float:
    """Returns how many tasks run now; if none does, how many ran on average since the first one started."""
    if running := sum(node.state is TaskState.IN_PROGRESS for node in nodes):
        return float(running)
    spans = [
        (node.started_at.timestamp(), node.finished_at.timestamp())
        for node in nodes
        if node.started_at is not None and node.finished_at is not None
    ]
    if not spans:
        return float(len(nodes))
    return max(1.0, sum(end - start for start, end in spans) / max(0.001, now - min(start for start, _end in spans)))


def _path(ends: Mapping[str, float], last_parent: Mapping[str, str]) -> list[str]:
    """Returns the chain that leads to the last end, each task after the parent that ends last."""
    if not ends:
        return []
    path = [max(ends, key=lambda id_: (ends[id_], id_))]
    while path[-1] in last_parent:
        path.append(last_parent[path[-1]])
    return path[::-1]
