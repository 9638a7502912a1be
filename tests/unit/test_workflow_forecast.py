"""The chain of tasks that decides when a workflow ends, and the estimate of that time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given

from taskyard.core.edges import Condition
from taskyard.core.states import TERMINAL, TaskState
from taskyard.core.views.workflow_forecast import forecast_of
from tests.unit.graph_support import START, Graph, edge, graphs, node

NOW = START.timestamp()
DONE, RUNS, WAITS, BLOCKED = TaskState.COMPLETED, TaskState.IN_PROGRESS, TaskState.PENDING, TaskState.BLOCKED
MEANS = {"test.short": 10.0, "test.long": 100.0}


def in_seconds(ends_at: float | None) -> float | None:
    return None if ends_at is None else round(ends_at - NOW, 3)


def test_the_longest_chain_decides() -> None:
    nodes = [
        node(0, type_="test.short", state=RUNS, started=0),
        node(1, type_="test.short", state=BLOCKED),
        node(2, type_="test.long", state=BLOCKED),
        node(3, type_="test.short", state=BLOCKED),
    ]
    found = forecast_of(nodes, [edge(0, 1), edge(0, 2), edge(1, 3), edge(2, 3)], MEANS, NOW + 4)
    assert found.path == ["00000000", "00000002", "00000003"]
    assert in_seconds(found.ends_at) == 4 + max(6 + 100 + 10, 6 + 10 + 100 + 10)


def test_a_wide_fan_out_takes_what_its_tasks_take_together() -> None:
    nodes = [node(0, state=DONE, started=-5, ended=0)]
    nodes += [
        node(at, f"g/{at}", "test.short", RUNS if at <= 4 else WAITS, 0 if at <= 4 else None) for at in range(1, 101)
    ]
    found = forecast_of(nodes, [edge(0, at) for at in range(1, 101)], MEANS, NOW)
    assert in_seconds(found.ends_at) == 100 * 10 / 4


def test_the_own_run_times_count_first() -> None:
    nodes = [node(0, type_="test.short", state=DONE, started=0, ended=30), node(1, type_="test.short", state=WAITS)]
    assert in_seconds(forecast_of(nodes, [edge(0, 1)], MEANS, NOW + 30).ends_at) == 60


def test_an_unknown_type_takes_what_others_take() -> None:
    nodes = [node(0, type_="test.short", state=WAITS), node(1, type_="test.new", state=BLOCKED)]
    assert in_seconds(forecast_of(nodes, [edge(0, 1)], MEANS, NOW).ends_at) == 10 + (10 + 100) / 2
    nothing_known = forecast_of(nodes, [edge(0, 1)], {}, NOW)
    assert (nothing_known.path, nothing_known.ends_at) == (["00000000", "00000001"], None)


def test_a_late_task_is_not_over_before_now() -> None:
    found = forecast_of([node(0, type_="test.short", state=RUNS, started=0)], [], MEANS, NOW + 500)
    assert in_seconds(found.ends_at) == 500


@pytest.mark.parametrize("state", [TaskState.SUSPENDED, BLOCKED])
def test_nobody_knows_when_somebody_acts(state: TaskState) -> None:
    """A task that is suspended, or whose parent has ended otherwise than it waits for."""
    nodes = [node(0, state=TaskState.FAILED, started=0, ended=1), node(1, state=state), node(2, state=WAITS)]
    assert forecast_of(nodes, [edge(0, 1)], MEANS, NOW).ends_at is None


def test_who_waits_for_a_failure_may_start() -> None:
    nodes = [
        node(0, type_="test.short", state=TaskState.FAILED, started=0, ended=1),
        node(1, type_="test.short", state=BLOCKED),
    ]
    found = forecast_of(nodes, [edge(0, 1, Condition.FAILED)], MEANS, NOW + 1)
    assert (found.path, in_seconds(found.ends_at)) == (["00000000", "00000001"], 11.0)


def test_what_is_over_has_a_path_and_no_forecast() -> None:
    nodes = [
        node(0, state=DONE, started=0, ended=2),
        node(1, state=DONE, started=2, ended=4),
        node(2, state=DONE, started=2, ended=9),
        node(3, state=DONE, started=9, ended=10),
        node(4, state=TaskState.CANCELLED),
    ]
    edges = [edge(0, 1), edge(0, 2), edge(1, 3), edge(2, 3), edge(3, 4)]
    found = forecast_of(nodes, edges, MEANS, NOW + 50)
    assert (found.path, found.ends_at) == (["00000000", "00000002", "00000003"], None)
    assert forecast_of([], [], {}, NOW).path == []


@given(graphs())
def test_a_path_follows_edges_and_an_end_is_ahead(graph: Graph) -> None:
    nodes, edges = graph
    found = forecast_of(nodes, edges, {"test.t1": 5.0}, NOW + 30)
    pairs = {(one.parent, one.child) for one in edges}
    assert all(pair in pairs for pair in zip(found.path, found.path[1:], strict=False))
    if found.ends_at is not None:
        assert found.ends_at >= NOW + 30
        assert any(one.state not in TERMINAL for one in nodes)


def test_a_task_that_is_set_for_later_starts_then() -> None:
    later = node(2)._replace(run_at=START + timedelta(seconds=100), state=TaskState.SCHEDULED)
    found = forecast_of([node(1, state=RUNS, started=0), later], [], {"test.echo": 10.0}, NOW)
    assert in_seconds(found.ends_at) == 110
    assert found.path == [later.id]
