"""Places the shapes of a graph in columns: few crossings, straight lines (pure).

Sugiyama's method: lines that pass columns get a waypoint in each; the order within columns follows the means of the
neighbours' places, forward and back, and the best order that was met is kept; then each column moves as close to its
neighbours as its order allows. Written here, because networkx has no such layout, and graphviz is a program of its own.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 8
MAX_WAYPOINTS = 3_000  # with more, lines pass columns anywhere
SHAPE, WAYPOINT = 1.0, 0.4  # the room that each takes in a column; a shape's is the unit

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Places:
    """The place of each shape, as (column, row), and the points between the ends of each line."""

    shapes: Sequence[Point]
    waypoints: Sequence[Sequence[Point]]


def places_of(columns: Sequence[int], lines: Sequence[tuple[int, int]]) -> Places:
    """Returns where shapes are drawn, whose columns are given; each line leads to a later column. Rows begin with 0."""
    graph = _Graph(columns, lines)
    graph.order()
    graph.straighten()
    least = min(graph.rows, default=0.0)
    points = [(float(column), row - least) for column, row in zip(graph.columns, graph.rows, strict=True)]
    return Places(points[: len(columns)], [[points[one] for one in inner] for inner in graph.inner])


class _Graph:
    """Shapes and waypoints as vertices, which know their neighbours in earlier and later columns."""

    def __init__(self, columns: Sequence[int], lines: Sequence[tuple[int, int]]) -> None:
        self.columns = list(columns)
        self.shapes = len(columns)
        passed = sum(columns[end] - columns[start] - 1 for start, end in lines)
        self.inner: list[list[int]] = []
        steps: list[tuple[int, int]] = []
        for start, end in lines:
            between = range(columns[start] + 1, columns[end]) if passed <= MAX_WAYPOINTS else range(0)
            first = len(self.columns)
            self.columns += between
            self.inner.append(list(range(first, len(self.columns))))
            path = [start, *self.inner[-1], end]
            steps += pairwise(path)
        self.before: list[list[int]] = [[] for _ in self.columns]
        self.behind: list[list[int]] = [[] for _ in self.columns]
        for start, end in dict.fromkeys(steps):
            self.before[end].append(start)
            self.behind[start].append(end)
        self.stacks: list[list[int]] = [[] for _ in range(max(self.columns, default=-1) + 1)]
        for vertex, column in enumerate(self.columns):
            self.stacks[column].append(vertex)
        self.rows = [0.0] * len(self.columns)

    def order(self) -> None:
        """Orders the columns."""
        self._number()
        best, fewest = [list(stack) for stack in self.stacks], self._crossings()
        for sweep in range(SWEEPS):
            if fewest == 0:
                break
            neighbours = self.behind if sweep % 2 else self.before
            for stack in reversed(self.stacks) if sweep % 2 else self.stacks:
                stack.sort(key=lambda vertex: self._mean(neighbours[vertex], self.rows[vertex]))
                self._number_one(stack)
            if (crossings := self._crossings()) < fewest:
                best, fewest = [list(stack) for stack in self.stacks], crossings
        self.stacks = best
        self._number()

    def straighten(self) -> None:
        """Gives each vertex a row, in the order of its column."""
        room = [SHAPE if vertex < self.shapes else WAYPOINT for vertex in range(len(self.columns))]
        for stack in self.stacks:
            self._spread(stack, [self.rows[vertex] for vertex in stack], room)
        for sweep in range(SWEEPS):
            for stack in reversed(self.stacks) if sweep % 2 else self.stacks:
                wanted = [
                    self._mean([*self.before[vertex], *self.behind[vertex]], self.rows[vertex]) for vertex in stack
                ]
                self._spread(stack, wanted, room)

    def _spread(self, stack: Sequence[int], wanted: Sequence[float], room: Sequence[float]) -> None:
        """Moves a column's vertices as close to where they are wanted as their order and room allow."""
        offsets, at = [], 0.0
        for place, vertex in enumerate(stack):
            at += (room[stack[place - 1]] + room[vertex]) / 2 if place else 0.0
            offsets.append(at)
        steps = _ascending([one - offset for one, offset in zip(wanted, offsets, strict=True)])
        for vertex, row, offset in zip(stack, steps, offsets, strict=True):
            self.rows[vertex] = row + offset

    def _number(self) -> None:
        for stack in self.stacks:
            self._number_one(stack)

    def _number_one(self, stack: Sequence[int]) -> None:
        """Gives a column's vertices rows around 0, so that columns of other lengths are beside its middle."""
        for place, vertex in enumerate(stack):
            self.rows[vertex] = place - (len(stack) - 1) / 2

    def _mean(self, neighbours: Sequence[int], otherwise: float) -> float:
        return sum(self.rows[one] for one in neighbours) / len(neighbours) if neighbours else otherwise

    def _crossings(self) -> int:
        """Returns how many pairs of lines between two columns cross."""
        return sum(
            _inversions(
                self.rows[end] for start in stack for end in sorted(self.behind[start], key=self.rows.__getitem__)
            )
            for stack in self.stacks
        )


def _inversions(values: Iterable[float]) -> int:
    seen: list[float] = []
    count = 0
    for value in values:
        count += len(seen) - bisect_right(seen, value)
        insort(seen, value)
    return count


def _ascending(wanted: Sequence[float]) -> list[float]:
    """Returns the ascending numbers that are closest to given ones, by squares (pool adjacent violators)."""
    pools: list[tuple[float, int]] = []
    for value in wanted:
        mean, count = value, 1
        while pools and pools[-1][0] > mean:
            other, many = pools.pop()
            mean, count = (mean * count + other * many) / (count + many), count + many
        pools.append((mean, count))
    return [mean for mean, count in pools for _ in range(count)]
