"""References in inputs: found, refused and replaced; and what is made of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.states import TaskState
from taskyard.core.workflows.inputs import Making, NoInput
from taskyard.core.workflows.making import pointer_text, ref, ref_all, task
from taskyard.core.workflows.references import Found, Reference, references_in, replaced
from taskyard.core.workflows.states import (
    MAX_OPEN_PROGRESS,
    Figures,
    WorkflowState,
    counts_of,
    open_state,
    progress_at_end,
    progress_of,
)

TOKENS = st.lists(st.text(max_size=5).filter(lambda text: not text.startswith("-")), max_size=4).map(tuple)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc~/", max_size=3), inner, max_size=3),
    max_leaves=10,
)


def at(value: Any, tokens: tuple[str, ...]) -> Any:
    for token in tokens:
        value = value[int(token)] if isinstance(value, list) else value[token]
    return value


@given(st.text("abc", min_size=1), TOKENS)
def test_a_reference_is_read_as_it_was_made(key: str, tokens: tuple[str, ...]) -> None:
    assert references_in([ref(key, *tokens), ref_all(key)]) == (
        [Found((0,), Reference(key, tokens)), Found((1,), Reference(key, is_group=True))],
        [],
    )


@given(VALUES, st.data())
def test_every_reference_is_found_where_it_is_and_replaced_there(value: Any, data: st.DataObject) -> None:
    places: dict[tuple[Any, ...], str] = {}

    def with_references(part: Any, path: tuple[Any, ...]) -> Any:
        if data.draw(st.integers(0, 4)) == 0:
            places[path] = f"k{len(places)}"
            return ref(places[path])
        if isinstance(part, list):
            return [with_references(one, (*path, number)) for number, one in enumerate(part)]
        if isinstance(part, dict):
            return {key: with_references(one, (*path, key)) for key, one in part.items()}
        return part

    template = with_references(value, ())
    found, problems = references_in(template)
    assert problems == []
    assert {one.path: one.reference.key for one in found} == places
    made = replaced(template, lambda path, reference: at(value, tuple(map(str, path))) if path else value)
    assert made == value


@pytest.mark.parametrize(
    "value",
    [
        {"$ref": 1}, {"$ref": "a", "at": 1}, {"$ref": "a", "at": "rows"}, {"$ref": "a", "x": 1},
        {"$ref": "a", "$ref_all": "a"},
        {"$ref_all": "a", "at": "/x"}, {"$ref_all": None}, {"$literal": 1, "x": 2}, {"$ref": "a", "at": "/-1"},
        {"$ref": "a", "at": "/" + "x" * 500},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_what_looks_like_a_reference_and_is_none_is_refused(value: Any) -> None:
    found, problems = references_in({"a": [value, 1]})
    assert found == []
    assert [problem.field for problem in problems] == ["input.a.0"]


def test_values_that_contain_themselves_are_refused() -> None:
    value: list[Any] = []
    value += [value, value]
    assert references_in(value)[1][0].expected == "at most 64 levels of nesting"


def test_a_literal_stands_for_its_content() -> None:
    inner = {"$ref": "#/definitions/x", "$literal": 1}
    assert references_in({"schema": {"$literal": inner}}) == ([], [])
    assert replaced({"schema": {"$literal": inner}}, lambda *_: 1) == {"schema": inner}


def test_an_input_is_made_of_parts_unchanged() -> None:
    template = json.dumps({"row": ref("extract", "rows", 0), "all": [ref_all("g")], "x": 1.50})
    parents = {"extract": "t1", "g/10": "t3", "g/9": "t2"}
    making = Making.begin(template, parents)
    wanted = [("t1", ("rows", "0")), ("t2", ()), ("t3", ())]
    assert sorted(one for place in making.wanted.values() for one in place) == sorted(wanted)
    parts = dict(zip(wanted, ['{"n":1.0}', "1e2", '"\\u00e4"'], strict=True))
    making.check_sizes({one: len(text) for one, text in parts.items()}, 1000)
    assert making.made(parts, 1000) == '{"row":{"n":1.0},"all":[[1e2,"\\u00e4"]],"x":1.5}'
    assert "ref(extract/rows/0), of task t1" in making.account("input.row.n")
    assert "of 2 tasks, the first t2" in making.account("input.all.0.1")


@pytest.mark.parametrize(
    ("parents", "sizes", "reason"),
    [
        ({}, {}, "input.a: ref(x/y) is of a task that no longer exists"),
        ({None: "t9"}, {}, "input.a: ref(x/y) is of a task that no longer exists"),
        ({"x": "t1", "g/0": "t2", None: "t9"}, {}, "input.b: ref_all(g) is of a task that no longer exists"),
        ({"x": "t1", "g/0": "t2"}, {("t1", ("y",)): None, ("t2", ()): 1}, "the output of task t1 has no such part"),
        ({"x": "t1", "g/0": "t2"}, {("t1", ("y",)): 60, ("t2", ()): 60}, "more than the limit of 100 bytes"),
    ],
)
def test_why_no_input_can_be_made_is_told(parents: Any, sizes: Any, reason: str) -> None:
    template = json.dumps({"a": ref("x", "y"), "b": ref_all("g")})
    with pytest.raises(NoInput) as caught:
        Making.begin(template, parents).check_sizes(sizes, 100)
    assert reason in str(caught.value)


def test_a_task_is_plain_data() -> None:
    assert task("a.b", {"x": 1}, after="c", when="ended", queue="q") == {
        "type": "a.b", "input": {"x": 1}, "after": ["c"], "when": "ended", "queue": "q",
    }  # fmt: skip
    assert pointer_text(("a/b", "~", "0")) == "/a~1b/~0/0"


def figures(
    type_: str, state: TaskState, count: int, run_seconds: float = 0, progress: float = 0, held: int = 0
) -> Figures:
    return Figures("default", type_, state, count, held, run_seconds, progress)


def test_progress_is_the_share_of_predicted_work() -> None:
    done, waits = TaskState.COMPLETED, TaskState.PENDING
    assert progress_of([], {}) == 1.0
    assert progress_of([figures("a", done, 1), figures("b", waits, 3)], {}) == 0.25  # equal shares
    known = [figures("a", done, 1, run_seconds=9), figures("b", waits, 1)]
    assert progress_of(known, {"b": 1.0}) == pytest.approx(0.9)
    assert progress_of([figures("a", TaskState.IN_PROGRESS, 2, progress=1.0), figures("a", waits, 2)], {}) == 0.25
    assert progress_of([figures("a", TaskState.FAILED, 1), figures("a", TaskState.CANCELLED, 1)], {}) == 0.5
    almost = [figures("a", done, 1, run_seconds=9), figures("b", TaskState.SUSPENDED, 1)]
    assert progress_of(almost, {"b": 0.0001}) == MAX_OPEN_PROGRESS


def test_an_ended_workflow_shows_what_ran() -> None:
    counts = {"completed": 2, "failed": 1, "cancelled": 3}
    assert progress_at_end(WorkflowState.FAILED, counts) == 0.5
    assert progress_at_end(WorkflowState.CANCELLED, {"cancelled": 3}) == 0.0
    assert progress_at_end(WorkflowState.COMPLETED, {"completed": 2, "cancelled": 1}) == 1.0  # it was not needed


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(TaskState), st.integers(0, 9), st.floats(0, 99))))
def test_progress_is_a_share(rows: list[tuple[str, TaskState, int, float]]) -> None:
    known = [figures(type_, state, count, seconds, progress=count / 2) for type_, state, count, seconds in rows]
    assert 0.0 <= progress_of(known, {"a": 3.0}) <= 1.0
    assert sum(counts_of(known).values()) == sum(one.number for one in known)


def test_an_open_workflow_is_stuck_if_somebody_waits_for_what_failed() -> None:
    failed, held = figures("a", TaskState.FAILED, 1), figures("a", TaskState.CANCELLED, 1, held=1)
    assert open_state([failed]) is WorkflowState.RUNNING
    assert open_state([held]) is WorkflowState.RUNNING
    assert open_state([failed, held]) is WorkflowState.STUCK
