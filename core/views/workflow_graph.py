"""Draws the tasks of a workflow as few shapes in columns, whatever their number (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from taskyard.core.edges import Condition
from taskyard.core.postgres.store.workflows import GraphEdge, GraphNode
from taskyard.core.views.graph_folding import Folding, Tasks, folded
from taskyard.core.views.graph_layout import Point, places_of
from taskyard.core.workflows.graph import layers

MAX_SHAPES = 300
MAX_LINES = 600
GROUP_SIGN = "/"  # in the keys of a group's members


@dataclass(frozen=True, slots=True)
class Shape:
    """One or more tasks that are drawn as one, by their ids in the order of submission; `id` is the first one's.

    `name` is the key of a single task, otherwise what all have in common: their group, their type, or "".
    """

    id: str
    name: str
    types: Sequence[str]
    tasks: Sequence[str]
    place: Point

    @property
    def is_stack(self) -> bool:
        """Returns True if it stands for several tasks."""
        return len(self.tasks) > 1


class Line(NamedTuple):
    """A line between two shapes, by their positions; `conditions` are those of all edges that it stands for."""

    start: int
    end: int
    conditions: tuple[Condition, ...]
    waypoints: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Drawing:
    """The shapes and lines of a workflow, and the position of each task's shape by the task's id.

    `left_out` lines are not drawn, because there are too many.

    With `is_reduced`, lines that follow from others are not drawn, and do not count as left out.
    """

    shapes: Sequence[Shape]
    lines: Sequence[Line]
    shape_of: Mapping[str, int]
    folding: Folding = Folding.SIBLINGS
    is_reduced: bool = False
    left_out: int = 0


def drawing_of(nodes: Sequence[GraphNode], edges: Sequence[GraphEdge]) -> Drawing:
    """Returns the drawing of tasks in the order of submission; edges of tasks that are not among them are left out.

    It has at most MAX_SHAPES shapes and MAX_LINES lines, and depends only on keys, types and edges (without a cycle).
    """
    if not nodes:
        return Drawing((), (), {})
    positions = {node.id: at for at, node in enumerate(nodes)}
    known = [edge for edge in edges if edge.parent in positions and edge.child in positions]
    found = folded(_tasks(nodes, known, positions), MAX_SHAPES)
    shape_of = {at: shape for shape, members in enumerate(found.shapes) for at in members}
    conditions: dict[tuple[int, int], dict[Condition, None]] = {}
    for edge in known:
        start, end = shape_of[positions[edge.parent]], shape_of[positions[edge.child]]
        if found.columns[start] < found.columns[end]:
            conditions.setdefault((start, end), {})[edge.condition] = None
    pairs = sorted(conditions)
    is_reduced = len(pairs) > MAX_LINES
    if is_reduced:
        pairs = _not_implied(pairs, found.columns)
    drawn = pairs[:MAX_LINES]
    places = places_of(found.columns, drawn)
    shapes = [
        _shape([nodes[at] for at in members], place) for members, place in zip(found.shapes, places.shapes, strict=True)
    ]
    lines = [
        Line(start, end, tuple(sorted(conditions[start, end])), points)
        for (start, end), points in zip(drawn, places.waypoints, strict=True)
    ]
    by_task = {task: at for at, shape in enumerate(shapes) for task in shape.tasks}
    return Drawing(shapes, lines, by_task, found.by, is_reduced, len(pairs) - len(drawn))


def _tasks(nodes: Sequence[GraphNode], edges: Sequence[GraphEdge], positions: Mapping[str, int]) -> Tasks:
    parents: list[list[int]] = [[] for _ in nodes]
    children: list[list[int]] = [[] for _ in nodes]
    above: dict[str, list[str]] = {node.id: [] for node in nodes}
    for edge in edges:
        parents[positions[edge.child]].append(positions[edge.parent])
        children[positions[edge.parent]].append(positions[edge.child])
        above[edge.child].append(edge.parent)
    depth = [0] * len(nodes)
    for layer, ids in enumerate(layers(above)):
        for one in ids:
            depth[positions[one]] = layer
    return Tasks([node.type for node in nodes], [_group(node.key) for node in nodes], depth, parents, children)


def _group(key: str | None) -> str:
    return (key or "").rpartition(GROUP_SIGN)[0]


def _shape(members: Sequence[GraphNode], place: Point) -> Shape:
    types = tuple(sorted({node.type for node in members}))
    return Shape(members[0].id, _name(members, types), types, tuple(node.id for node in members), place)


def _name(members: Sequence[GraphNode], types: Sequence[str]) -> str:
    if len(members) == 1:
        return members[0].key or members[0].title or members[0].type
    groups = {_group(node.key) for node in members}
    return next(iter(groups)) if len(groups) == 1 and groups != {""} else types[0] if len(types) == 1 else ""


def _not_implied(pairs: Sequence[tuple[int, int]], columns: Sequence[int]) -> list[tuple[int, int]]:
    """Returns the lines without those whose ends other lines connect, too."""
    ends: dict[int, list[int]] = {}
    for start, end in pairs:
        ends.setdefault(start, []).append(end)
    reached = [0] * len(columns)  # what can be reached from a shape, as bits
    implied = [0] * len(columns)
    for start in sorted(ends, key=lambda shape: -columns[shape]):
        for end in ends[start]:
            implied[start] |= reached[end]
            reached[start] |= 1 << end
        reached[start] |= implied[start]
    return [(start, end) for start, end in pairs if not implied[start] >> end & 1]
