"""Plans of retries: on made-up families of tasks, against what the words mean."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.edges import Condition, RetryScope
from taskyard.core.scheduling.retry_scope import BUSY, Again, Edge, Graph, Node, Plan, plan
from taskyard.core.states import RETRYABLE_STATES, TERMINAL, TaskState

DONE, FAILED, CANCELLED = TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED
BLOCKED, PENDING, RUNNING = TaskState.BLOCKED, TaskState.PENDING, TaskState.IN_PROGRESS


def node(name: str, state: TaskState, **changes: bool) -> Node:
    return Node(name, state, "demo.work", "default", **changes)


def graph(states: dict[str, TaskState], *edges: str, conditions: dict[str, Condition] | None = None) -> Graph:
    """Tasks by name, and edges such as "a>b", each as the engine leaves it for these states."""
    made = []
    for text in edges:
        parent, child = text.split(">")
        condition = (conditions or {}).get(text, Condition.COMPLETED)
        made.append(_edge(parent, child, condition, states.get(parent), states[child]))
    return Graph({name: node(name, state) for name, state in states.items()}, made)


def _edge(parent: str, child: str, condition: Condition, state: TaskState | None, child_state: TaskState) -> Edge:
    is_satisfied = state in TERMINAL and condition in (Condition.ENDED, state)
    is_met = is_satisfied or child_state not in (BLOCKED, CANCELLED)
    is_open = child_state is BLOCKED and not is_met
    return Edge(parent, child, condition, is_open, is_met, state)


def outcome(found: Plan) -> dict[str, str]:
    return {task.id: task.then.value for task in found.tasks}


CHAIN = graph({"a": FAILED, "b": CANCELLED, "c": CANCELLED}, "a>b", "b>c")


def test_downstream_runs_what_was_cancelled_below() -> None:
    found = plan(CHAIN, ["a"], RetryScope.DOWNSTREAM)
    assert outcome(found) == {"a": "pending", "b": "blocked", "c": "blocked"}
    assert found.opened == (("a", "b"), ("b", "c"))
    assert [(task.start, task.parents, task.waiting_on) for task in found.tasks] == [("a", 0, 0), *[("a", 1, 1)] * 2]


def test_chain_begins_at_the_failed_ancestor() -> None:
    assert outcome(plan(CHAIN, ["c"], RetryScope.CHAIN)) == {"a": "pending", "b": "blocked", "c": "blocked"}
    assert {task.start for task in plan(CHAIN, ["c"], RetryScope.CHAIN).tasks} == {"c"}


@pytest.mark.parametrize("scope", [RetryScope.THIS, RetryScope.DOWNSTREAM])
def test_a_start_whose_parent_failed_is_refused(scope: RetryScope) -> None:
    found = plan(CHAIN, ["c"], scope)
    assert not found.tasks
    refusal = found.refused["c"]
    assert refusal.edge is not None
    assert (refusal.task_id, refusal.edge.parent_id, refusal.edge.parent_state) == ("c", "b", CANCELLED)


def test_what_completed_below_runs_again_too() -> None:
    states = {"a": FAILED, "cleanup": DONE, "then": DONE, "other": DONE, "apart": DONE}
    family = graph(states, "a>cleanup", "cleanup>then", "other>then", conditions={"a>cleanup": Condition.FAILED})
    found = plan(family, ["a"], RetryScope.DOWNSTREAM)
    assert outcome(found) == {"a": "pending", "cleanup": "blocked", "then": "blocked"}
    assert ("other", "then") not in found.opened


def test_another_failed_parent_keeps_a_task_below_and_what_follows_it() -> None:
    states = {"a": FAILED, "b": FAILED, "both": CANCELLED, "after": CANCELLED, "only_a": CANCELLED}
    family = graph(states, "a>both", "b>both", "both>after", "a>only_a")
    found = plan(family, ["a"], RetryScope.DOWNSTREAM)
    assert set(outcome(found)) == {"a", "only_a"}
    assert found.left_out["both"].parent_id == "b"
    assert set(outcome(plan(family, ["a", "b"], RetryScope.DOWNSTREAM))) == set(states)
    assert set(outcome(plan(family, ["after"], RetryScope.CHAIN))) == set(states)


@pytest.mark.parametrize("state", sorted(BUSY))
def test_a_busy_task_below_refuses_only_the_starts_above_it(state: TaskState) -> None:
    states = {"a": FAILED, "b": FAILED, "busy": state, "child": CANCELLED}
    family = graph(states, "a>busy", "b>child", conditions={"a>busy": Condition.ENDED})
    found = plan(family, ["a", "b"], RetryScope.DOWNSTREAM)
    assert set(outcome(found)) == {"b", "child"}
    assert (found.refused["a"].task_id, found.refused["a"].state) == ("busy", state)


@pytest.mark.parametrize("state", [PENDING, TaskState.SCHEDULED])
def test_what_waits_for_an_agent_below_waits_for_its_parent_again(state: TaskState) -> None:
    family = graph({"a": FAILED, "b": state}, "a>b", conditions={"a>b": Condition.ENDED})
    assert outcome(plan(family, ["a"], RetryScope.DOWNSTREAM))["b"] == "blocked"


def test_a_parent_that_runs_is_waited_for() -> None:
    family = graph({"a": RUNNING, "b": CANCELLED}, "a>b")
    assert outcome(plan(family, ["b"], RetryScope.DOWNSTREAM)) == {"b": "blocked"}
    assert plan(family, ["b"], RetryScope.THIS).refused["b"].edge is not None


def test_a_parent_that_is_gone_refuses() -> None:
    family = Graph({"b": node("b", CANCELLED)}, [Edge("a", "b", Condition.COMPLETED, False, False, None)])
    for scope in RetryScope:
        assert "b" in plan(family, ["b"], scope).refused


def test_inputs_made_of_outputs_count() -> None:
    tasks = {"a": node("a", FAILED), "b": node("b", DONE, has_input=True), "c": node("c", DONE)}
    edges = [Edge("a", name, Condition.ENDED, False, True, FAILED) for name in ("b", "c")]
    found = plan(Graph(tasks, edges), ["a"], RetryScope.DOWNSTREAM)
    assert {task.id: task.waiting_on for task in found.tasks} == {"a": 0, "b": 2, "c": 1}
    lacking = Graph({"a": node("a", FAILED, has_input=True, lacks_input=True)}, [])
    assert plan(lacking, ["a"], RetryScope.DOWNSTREAM).tasks == (Again("a", "a", FAILED, BLOCKED, 0, 1),)


def test_a_time_ahead_is_kept_by_those_that_wait_for_nothing_else() -> None:
    tasks = {name: node(name, CANCELLED, is_due_later=True) for name in "ab"}
    found = plan(
        Graph(tasks, [Edge("a", "b", Condition.COMPLETED, False, False, CANCELLED)]), ["a"], RetryScope.DOWNSTREAM
    )
    assert outcome(found) == {"a": "scheduled", "b": "blocked"}


def test_unknown_and_unfinished_starts_are_refused() -> None:
    family = graph({"a": RUNNING, "b": DONE})
    for scope in RetryScope:
        assert [r.state for r in plan(family, ["a", "b", "c"], scope).refused.values()] == [RUNNING, DONE, None]


@st.composite
def families(draw: st.DrawFn) -> Graph:
    """Tasks numbered so that parents come first, in any states, with edges as the engine leaves them for these."""
    count = draw(st.integers(1, 9))
    names = [f"t{number}" for number in range(count)]
    states = {name: draw(st.sampled_from(TaskState)) for name in names}
    edges = []
    for child in range(count):
        for parent in draw(st.lists(st.integers(0, max(0, child - 1)), max_size=3, unique=True)) if child else ():
            condition = draw(st.sampled_from(Condition))
            made = _edge(names[parent], names[child], condition, states[names[parent]], states[names[child]])
            # the parent may run once more since it was met
            edges.append(
                made._replace(is_open=False, is_met=True) if draw(st.booleans()) and not made.is_open else made
            )
    inputs = {name: draw(st.booleans()) for name in names}
    return Graph(
        {n: node(n, s, has_input=inputs[n], is_due_later=draw(st.booleans())) for n, s in states.items()}, edges
    )


def runs_again(family: Graph, firsts: Sequence[str]) -> set[str]:
    """What the words mean: a task runs again if it is a first one, or one of its parents does and none of the others
    keeps it from starting.
    """
    found: set[str] = set()
    for name in sorted(family.tasks):
        before = family.before.get(name, [])
        is_below = any(edge.parent_id in found for edge in before)
        if name in firsts or (is_below and not any(e.is_dead and e.parent_id not in found for e in before)):
            found.add(name)
    return found


def ancestors(family: Graph, start: str) -> set[str]:
    found = {start}
    for edge in family.before.get(start, []):
        if edge.is_dead and edge.parent_state in RETRYABLE_STATES:
            found |= ancestors(family, edge.parent_id)
    return found


@given(families(), st.sampled_from(RetryScope), st.data())
def test_a_plan_is_what_the_words_mean(family: Graph, scope: RetryScope, data: st.DataObject) -> None:
    starts = data.draw(st.lists(st.sampled_from(sorted(family.tasks)), min_size=1, unique=True))
    found = plan(family, starts, scope)
    kept = [start for start in starts if start not in found.refused]
    assert all(family.tasks[start].state in RETRYABLE_STATES for start in kept)
    firsts = set().union(*(ancestors(family, start) for start in kept)) if scope is RetryScope.CHAIN else set(kept)
    again = {task.id for task in found.tasks}
    whole = again.union(found.kept)
    assert whole == (set(kept) if scope is RetryScope.THIS else runs_again(family, sorted(firsts)))
    assert not any(family.tasks[name].state in BUSY for name in whole)
    assert all(family.tasks[name].state is BLOCKED for name in found.kept)
    for edge in family.edges:
        if edge.child_id in whole:
            assert edge.parent_id in whole or not edge.is_dead
    _check_refusals(family, found, scope)
    _check_edges(family, found, scope)


def _check_refusals(family: Graph, found: Plan, scope: RetryScope) -> None:
    for start, (culprit, state, edge) in found.refused.items():
        if culprit == start and edge is None:
            assert state not in RETRYABLE_STATES
        elif edge is not None:
            assert edge.child_id == culprit
            assert edge.is_dead or scope is RetryScope.THIS
            assert culprit in ancestors(family, start)
        else:
            assert state in BUSY


def _check_edges(family: Graph, found: Plan, scope: RetryScope) -> None:
    """Everything that runs again can start once its parents have ended, and nothing starts before."""
    whole = {task.id for task in found.tasks}.union(found.kept) if scope is not RetryScope.THIS else set()
    for task in found.tasks:
        before = family.before.get(task.id, [])
        opened = {edge.parent_id for edge in before if edge.is_open or (edge.parent_id, task.id) in found.opened}
        unsettled = {edge.parent_id for edge in before if not edge.is_settled or edge.parent_id in whole}
        assert unsettled <= opened
        assert opened - unsettled <= {edge.parent_id for edge in before if edge.is_open}
        met = {edge.parent_id for edge in before if edge.is_met or (edge.parent_id, task.id) in found.met}
        assert {edge.parent_id for edge in before} <= opened | met
        assert task.parents == len(opened)
        assert (task.then is BLOCKED) == (task.waiting_on > 0)
        has_input = family.tasks[task.id].has_input
        assert task.waiting_on == (len(opened) + has_input if opened else family.tasks[task.id].lacks_input)
