"""How fast a queue fills and drains."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import flow
from core.flow import SHORT_WINDOW_MINUTES, WINDOWS_MINUTES, Flow, drain, flow_of

NOW = 1_700_000_040.0 // 60 * 60


def paced(arrived: float, ended: float) -> Flow:
    return Flow(dict.fromkeys(WINDOWS_MINUTES, arrived), dict.fromkeys(WINDOWS_MINUTES, ended))


def test_a_flow_is_the_mean_of_each_window() -> None:
    found = flow_of([(NOW - 60, 10, 5), (NOW - 600, 30, 15), (NOW - 3600, 60, 0), (NOW - 3660, 999, 999)], NOW)

    assert found.arrived == {5: 2.0, 15: 40 / 15, 60: 100 / 60}
    assert found.ended == {5: 1.0, 15: 20 / 15, 60: 20 / 60}


def test_the_minute_that_is_not_over_does_not_count() -> None:
    assert flow_of([(NOW, 10, 5)], NOW) == Flow()


@given(st.integers(1, 10**6), st.floats(0, 1e4), st.floats(0, 1e4))
def test_what_shrinks_is_done_some_time_and_nothing_else_is(ready: int, arrived: float, ended: float) -> None:
    found = drain(ready, paced(arrived, ended), is_led=True, is_paused=False, is_refusing=False, is_taken=True)

    assert (found.seconds is not None) == (ended > arrived)
    if found.seconds is not None:
        assert found.seconds * (ended - arrived) == pytest.approx(60 * ready)
        assert found.reason == ""
    elif arrived > ended:
        assert (found.reason, found.growth_per_minute) == (flow.GROWS, arrived - ended)


def test_a_queue_that_refuses_new_tasks_is_only_drained() -> None:
    found = drain(10, paced(99, 5), is_led=True, is_paused=False, is_refusing=True, is_taken=True)
    assert found.seconds == pytest.approx(120)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_led": False}, flow.NO_LEADER),
        ({"is_paused": True}, flow.PAUSED),
        ({"is_taken": False}, flow.NOBODY_TAKES),
    ],
)
def test_what_stops_it_is_said(changes: dict[str, bool], reason: str) -> None:
    usual = {"is_led": True, "is_paused": False, "is_refusing": False, "is_taken": True}
    assert drain(5, paced(1, 9), **{**usual, **changes}).reason == reason
    assert drain(0, paced(1, 9), **{**usual, **changes}).seconds == 0


@pytest.mark.parametrize(
    ("pace", "reason"), [(None, flow.UNKNOWN), (paced(0, 0), flow.NOTHING_RUNS), (paced(3, 3), flow.KEEPS_UP)]
)
def test_a_pace_that_says_nothing(pace: Flow | None, reason: str) -> None:
    assert drain(5, pace, is_led=True, is_paused=False, is_refusing=False, is_taken=True).reason == reason


def test_the_estimate_looks_at_the_short_window() -> None:
    assert min(WINDOWS_MINUTES) == SHORT_WINDOW_MINUTES
