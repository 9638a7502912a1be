"""A workflow is drawn as few shapes, whatever its size: nothing is lost, and lines lead onwards."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations, pairwise

import pytest
from hypothesis import given

from taskyard.core.edges import Condition
from taskyard.core.postgres.store.workflows import GraphEdge, GraphNode
from taskyard.core.states import TaskState
from taskyard.core.views import graph_folding, workflow_graph
from taskyard.core.views.graph_folding import MAX_IN_LAYER, MIN_STACK, Folding
from taskyard.core.views.graph_layout import SHAPE, places_of
from taskyard.core.views.workflow_graph import MAX_LINES, MAX_SHAPES, Drawing, drawing_of
from tests.unit.graph_support import Graph, edge, edges_of, fan_out, graphs, node


def names(drawing: Drawing) -> list[tuple[str, int]]:
    return [(shape.name, len(shape.tasks)) for shape in drawing.shapes]


def check(drawing: Drawing, nodes: Sequence[GraphNode], edges: Sequence[GraphEdge]) -> None:
    """What is true of every drawing."""
    assert sorted(task for shape in drawing.shapes for task in shape.tasks) == sorted(one.id for one in nodes)
    assert len(drawing.shapes) <= MAX_SHAPES
    assert len(drawing.lines) <= MAX_LINES
    columns = [shape.place[0] for shape in drawing.shapes]
    for line in drawing.lines:
        xs = [columns[line.start], *(x for x, _y in line.waypoints), columns[line.end]]
        assert all(one < other for one, other in pairwise(xs))
    rows: dict[float, list[float]] = {}
    for shape in drawing.shapes:
        assert shape.place[1] >= 0
        rows.setdefault(shape.place[0], []).append(shape.place[1])
    for there in rows.values():
        assert all(other - one >= SHAPE - 1e-6 for one, other in pairwise(sorted(there)))
    if not drawing.left_out:
        check_lines(drawing, edges)


def check_lines(drawing: Drawing, edges: Sequence[GraphEdge]) -> None:
    """Every edge between shapes of two columns can be followed along lines."""
    ends: dict[int, set[int]] = {}
    for line in drawing.lines:
        ends.setdefault(line.start, set()).add(line.end)
    columns = [shape.place[0] for shape in drawing.shapes]
    for one in edges:
        start, end = drawing.shape_of[one.parent], drawing.shape_of[one.child]
        if drawing.folding is not Folding.LAYERS:
            assert columns[start] < columns[end]
        if columns[start] == columns[end]:
            continue
        if not drawing.is_reduced:
            assert end in ends[start]
            continue
        reached = {start}
        while more := {other for known in reached for other in ends.get(known, ())} - reached:
            reached |= more
        assert end in reached


@given(graphs())
def test_every_task_and_edge_is_drawn(graph: Graph) -> None:
    nodes, edges = graph
    drawing = drawing_of(nodes, edges)
    check(drawing, nodes, edges)
    assert drawing.folding is Folding.SIBLINGS
    assert drawing_of(nodes, edges) == drawing


@given(graphs())
def test_a_drawing_stays_as_it_is_while_tasks_run(graph: Graph) -> None:
    nodes, edges = graph
    later = [one._replace(state=TaskState.COMPLETED, attempt=3) for one in nodes]
    assert drawing_of(later, [one._replace(is_open=False) for one in edges]) == drawing_of(nodes, edges)


@pytest.mark.parametrize(("shapes", "lines"), [(12, 600), (3, 5), (1, 1)])
@given(graph=graphs())
def test_whatever_comes_is_folded_until_it_fits(shapes: int, lines: int, graph: Graph) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow_graph, "MAX_SHAPES", shapes)
        patch.setattr(workflow_graph, "MAX_LINES", lines)
        drawing = drawing_of(*graph)
    assert len(drawing.shapes) <= shapes
    assert len(drawing.lines) <= lines
    check(drawing, *graph)


@given(graphs())
def test_only_equal_siblings_are_one_shape(graph: Graph) -> None:
    nodes, edges = graph
    known = {one.id: one for one in nodes}

    def of(id_: str) -> tuple[object, ...]:
        key = known[id_].key or ""
        parents = {one.parent for one in edges if one.child == id_}
        return known[id_].type, key.rpartition("/")[0], parents, {one.child for one in edges if one.parent == id_}

    shapes = drawing_of(nodes, edges).shapes
    assert all(len(shape.tasks) == 1 or len(shape.tasks) >= MIN_STACK for shape in shapes)
    for shape in shapes:
        assert all(of(one) == of(other) for one, other in combinations(shape.tasks, 2))
    alone = [shape.tasks[0] for shape in shapes if not shape.is_stack]
    assert all(sum(of(one) == of(other) for other in alone) < MIN_STACK for one in alone)


def test_a_fan_out_is_one_stack() -> None:
    drawing = drawing_of(*fan_out(5_000))
    assert names(drawing) == [("extract", 1), ("pages", 5_000), ("publish", 1)]
    assert [shape.place for shape in drawing.shapes] == [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)]
    assert [(line.start, line.end) for line in drawing.lines] == [(0, 1), (1, 2)]
    assert drawing.shapes[1].id == "00000001"


def test_few_siblings_are_drawn_one_by_one() -> None:
    drawing = drawing_of(*fan_out(MIN_STACK - 1))
    assert len(drawing.shapes) == MIN_STACK + 1
    assert [line.conditions for line in drawing.lines] == [(Condition.COMPLETED,)] * 2 * (MIN_STACK - 1)


def test_two_groups_with_the_same_neighbours_stay_two() -> None:
    nodes = [node(0, "extract"), *(node(at, f"{'ab'[at % 2]}/{at // 2}") for at in range(1, 41))]
    drawing = drawing_of(nodes, [edge(0, at) for at in range(1, 41)])
    assert sorted(names(drawing)) == [("a", 20), ("b", 20), ("extract", 1)]


def test_chains_beside_each_other_are_folded_into_one() -> None:
    nodes = [node(at, f"{'abc'[at % 3]}/{at // 3}") for at in range(1_500)]
    edges = [edge(at, at + 1) for at in range(1_499) if at % 3 < 2]
    drawing = drawing_of(nodes, edges)
    assert drawing.folding is Folding.ALIKE
    assert names(drawing) == [("a", 500), ("b", 500), ("c", 500)]
    assert [(line.start, line.end) for line in drawing.lines] == [(0, 1), (1, 2)]


def test_a_long_chain_is_folded_by_layers() -> None:
    nodes = [node(at) for at in range(5_000)]
    drawing = drawing_of(nodes, [edge(at, at + 1) for at in range(4_999)])
    assert drawing.folding is Folding.LAYERS
    assert {len(shape.tasks) for shape in drawing.shapes[:-1]} == {32}
    assert len(drawing.lines) == len(drawing.shapes) - 1
    check(drawing, nodes, [])


def test_lines_that_follow_from_others_are_left_out_if_there_are_too_many() -> None:
    nodes = [node(at, type_=f"test.t{at}") for at in range(200)]
    edges = [edge(one, other) for one, other in combinations(range(200), 2)]
    drawing = drawing_of(nodes, edges)
    assert drawing.is_reduced
    assert drawing.left_out == 0
    assert [(line.start, line.end) for line in drawing.lines] == list(pairwise(range(200)))


def test_what_is_too_much_is_counted() -> None:
    nodes = [node(at, type_=f"test.t{at}") for at in range(100)]
    drawing = drawing_of(nodes, [edge(one, other) for one in range(50) for other in range(50, 100)])
    assert (len(drawing.lines), drawing.left_out) == (MAX_LINES, 2_500 - MAX_LINES)


def test_conditions_of_a_stack_s_lines_are_kept() -> None:
    nodes = [node(0), *(node(at, f"g/{at}") for at in range(1, 11))]
    edges = [edge(0, at, Condition.FAILED if at == 5 else Condition.COMPLETED) for at in range(1, 11)]
    assert drawing_of(nodes, edges).lines[0].conditions == (Condition.COMPLETED, Condition.FAILED)


def test_edges_of_tasks_that_are_not_seen_are_left_out() -> None:
    drawing = drawing_of([node(1), node(2)], [edge(0, 1), edge(2, 3)])
    assert (len(drawing.shapes), drawing.lines) == (2, [])
    assert drawing_of([], []).shapes == ()


def test_crossings_that_are_not_needed_are_undone() -> None:
    # three lines that cross each other if shapes stay in their first order
    drawing = drawing_of([node(at, type_=f"test.t{at}") for at in range(6)], [edge(0, 5), edge(1, 4), edge(2, 3)])
    rows = [shape.place[1] for shape in drawing.shapes]
    assert all(rows[line.start] == rows[line.end] for line in drawing.lines)


def test_a_line_that_passes_a_column_goes_around_its_shapes() -> None:
    places = places_of([0, 1, 2], [(0, 1), (1, 2), (0, 2)])
    ((x, y),) = places.waypoints[2]
    assert x == 1.0
    assert abs(y - places.shapes[1][1]) >= 0.6


@pytest.mark.parametrize("kind", ["fan-out", "chains", "random"])
def test_thousands_of_tasks_are_drawn(kind: str) -> None:
    nodes, edges = fan_out(5_000)
    if kind == "chains":
        nodes = [node(at, f"{'ab'[at % 2]}/{at // 2}") for at in range(5_000)]
        edges = [edge(at, at + 1) for at in range(0, 5_000, 2)]
    elif kind == "random":
        chance = random.Random(1)
        nodes = [node(at, type_=f"test.t{at % 7}") for at in range(5_000)]
        edges = edges_of({(chance.randrange(5_000), chance.randrange(5_000)) for _ in range(10_000)})
    drawing = drawing_of(nodes, edges)
    check(drawing, nodes, [])


def test_the_last_folding_always_fits() -> None:
    nodes = [node(at, type_=f"test.t{at}") for at in range(2_000)]
    drawing = drawing_of(nodes, [])
    assert names(drawing) == [("", 2_000)]
    assert drawing.folding is Folding.CROWDS
    assert graph_folding.Folding.LAYERS is list(Folding)[-1]


def test_only_layers_of_too_many_are_folded() -> None:
    count = MAX_IN_LAYER + 1
    nodes = [node(0, "start"), *(node(at, type_=f"test.t{at}") for at in range(1, count + 1)), node(count + 1, "end")]
    edges = [edge(0, at) for at in range(1, count + 1)] + [edge(at, count + 1) for at in range(1, count + 1)]
    drawing = drawing_of(nodes, edges)
    assert names(drawing) == [("start", 1), ("", count), ("end", 1)]
    assert drawing.folding is Folding.CROWDS
    check(drawing, nodes, edges)

    few = [one._replace(type=f"test.t{at % 7}") for at, one in enumerate(nodes)]
    assert sorted(names(drawing_of(few, edges)))[-1] == ("test.t6", 8)

    drawing = drawing_of(nodes[:-2], edges[: count - 1])
    assert len(drawing.shapes) == count
    assert drawing.folding is Folding.SIBLINGS
