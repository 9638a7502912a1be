"""Tests that inputs of schedules are filled with the fire time where they ask for it, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.errors import SubmissionError
from taskyard.core.schedules.fire_time import FireTime, asks_for_it
from taskyard.core.schedules.schedule import check_schedule

AT = datetime(2027, 7, 1, 22, 30, tzinfo=UTC)
BERLIN = FireTime(AT, "Europe/Berlin")
ISO = "2027-07-02T00:30:00+02:00"


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ({"day": {"$fire_time": "%Y-%m-%d"}}, {"day": "2027-07-02"}),
        ({"at": {"$fire_time": True}, "n": 1}, {"at": ISO, "n": 1}),
        ([{"$fire_time": "week %V of %G, %H:%M %Z %%"}], ["week 26 of 2027, 00:30 CEST %"]),
        ({"a": [{"b": ({"$fire_time": True},)}]}, {"a": [{"b": [ISO]}]}),
        ({"$literal": {"$fire_time": True}}, {"$fire_time": True}),
        ({"$literal": {"n": 1}}, {"$literal": {"n": 1}}),  # of a task's own, as it was before
        ({"$ref": "a"}, {"$ref": "a"}),
        (None, None),
    ],
)
def test_places_are_filled(given: Any, filled: Any) -> None:
    assert BERLIN.filled(given, "input") == filled


@pytest.mark.parametrize(
    "given", [{"$fire_time": "%s"}, {"$fire_time": "%"}, {"$fire_time": "%-d"}, {"$fire_time": ""}, {"$fire_time": 1},
              {"$fire_time": False}, {"$fire_time": True, "x": 1}, {"$fire_time": "%Y" * 90}]
)  # fmt: skip
def test_what_is_no_format_is_refused_with_its_place(given: Any) -> None:
    with pytest.raises(SubmissionError) as caught:
        BERLIN.filled({"a": [given]}, "input")
    assert caught.value.field == "input.a.0.$fire_time"
    assert "\n" not in str(caught.value)


def test_workflows_keep_their_literals_for_references() -> None:
    literal = {"$literal": {"$fire_time": True}}
    tasks = {"a": {"type": "t", "input": {"at": {"$fire_time": True}, "kept": literal}}, "b": [{"type": "t"}], "c": 5}
    filled = BERLIN.filled_tasks(tasks)
    assert filled == {"a": {"type": "t", "input": {"at": ISO, "kept": literal}}, "b": [{"type": "t"}], "c": 5}
    with pytest.raises(SubmissionError) as caught:
        BERLIN.filled_tasks({"b": [{"type": "t", "input": {"$fire_time": 3}}]})
    assert caught.value.field == "what.tasks.b.0.input.$fire_time"


def test_a_list_that_holds_itself_asks_for_nothing() -> None:
    endless: list[Any] = []
    endless.append([endless, endless])
    assert not asks_for_it(endless)
    endless.append({"$fire_time": True})
    assert asks_for_it(endless)
    what = {"type": "a", "input": endless}
    assert check_schedule(what=what, cron="@daily").what


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(st.text(max_size=5), part, max_size=3)),
)


@given(JSON)
def test_what_does_not_ask_stays(value: Any) -> None:
    assert not asks_for_it(value)
    assert BERLIN.filled(value, "input") == value
