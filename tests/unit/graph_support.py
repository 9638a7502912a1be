"""Graphs of workflows for tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from taskyard.core.edges import Condition
from taskyard.core.postgres.store.workflows import GraphEdge, GraphNode
from taskyard.core.states import TERMINAL, TaskState

START = datetime(2030, 1, 1, tzinfo=UTC)
Graph = tuple[list[GraphNode], list[GraphEdge]]


def node(
    at: int,
    key: str | None = None,
    type_: str = "test.echo",
    state: TaskState = TaskState.PENDING,
    started: float | None = None,
    ended: float | None = None,
) -> GraphNode:
    """A task; `started` and `ended` are seconds after START."""
    return GraphNode(
        f"{at:08d}",
        f"k{at}" if key is None else key,
        type_,
        "default",
        None,
        state,
        0,
        None,
        START,
        None if started is None else START + timedelta(seconds=started),
        None if ended is None else START + timedelta(seconds=ended),
        None,
    )


def edge(parent: int, child: int, condition: Condition = Condition.COMPLETED) -> GraphEdge:
    return GraphEdge(f"{parent:08d}", f"{child:08d}", condition, True, None)


def fan_out(width: int) -> Graph:
    """extract → a group of pages → publish."""
    nodes = [node(0, "extract"), *(node(at + 1, f"pages/{at}", "test.page") for at in range(width))]
    nodes.append(node(width + 1, "publish"))
    edges = [edge(0, at + 1) for at in range(width)] + [edge(at + 1, width + 1) for at in range(width)]
    return nodes, edges


def edges_of(pairs: Iterable[tuple[int, int]]) -> list[GraphEdge]:
    return [edge(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]


@st.composite
def graphs(draw: st.DrawFn, most: int = 60) -> Graph:
    """Graphs of any shape without cycles, some of whose tasks are of one group."""
    count = draw(st.integers(1, most))
    types = draw(st.integers(1, 4))
    keys = draw(st.lists(st.sampled_from(["", "left", "right"]), min_size=count, max_size=count))
    kinds = draw(st.lists(st.integers(1, types), min_size=count, max_size=count))
    states = draw(st.lists(st.sampled_from(TaskState), min_size=count, max_size=count))
    nodes = []
    for at, (group, kind, state) in enumerate(zip(keys, kinds, states, strict=True)):
        ended = draw(st.floats(10, 20)) if state in TERMINAL else None
        started = draw(st.floats(0, 10)) if ended is not None or state is TaskState.IN_PROGRESS else None
        nodes.append(node(at, f"{group}/{at}" if group else f"k{at}", f"test.t{kind}", state, started, ended))
    some = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    return nodes, list(dict.fromkeys(edges_of(draw(st.lists(some, max_size=3 * count)))))
