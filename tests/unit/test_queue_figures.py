"""How queues do, from the live state, rates and holds."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode, Holds
from taskyard.core.telemetry.live_snapshot import DispatcherLive, LaneDepth, LiveSnapshot, OpenCount
from taskyard.core.telemetry.queue_figures import GROWS, NOTHING_RUNS, PAUSED, STEADY, Rates, drain_estimate, figures

depths = st.integers(0, 10**9)
rates = st.floats(0, 1e6, allow_nan=False)
modes = st.none() | st.sampled_from(HoldMode)


def live(*lanes: LaneDepth, open: list[OpenCount] | None = None) -> LiveSnapshot:
    dispatcher = DispatcherLive("w", 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
    empty = {name: [] for name in ("finished", "recent", "agents", "servers", "alerts")}
    values = {"version": 1, "at": 1_000.0, "open_at": 1_000.0, "finished_at": 1_000.0, **empty}
    return msgspec.convert({**values, "dispatcher": dispatcher, "open": open or [], "lanes": list(lanes)}, LiveSnapshot)


def held(name: str, mode: HoldMode) -> Holds:
    return Holds.of([Hold(HoldKind.QUEUE, name, mode, "ann", "", datetime.now(UTC))])


@given(depths, rates, rates, modes)
def test_seconds_or_a_reason(depth: int, arrived: float, ended: float, mode: HoldMode | None) -> None:
    estimate = drain_estimate(depth, arrived, ended, mode)
    assert (estimate.seconds is None) != (estimate.reason is None)
    assert estimate.seconds is None or estimate.seconds >= 0
    assert (estimate.seconds == 0) == (depth == 0)


@given(depths, depths, rates, rates, rates, modes)
def test_more_work_or_arrivals_never_drain_sooner(
    depth: int, more: int, arrived: float, extra: float, ended: float, mode: HoldMode | None
) -> None:
    soon = drain_estimate(depth, arrived, ended, mode).seconds
    for later in (
        drain_estimate(depth + more, arrived, ended, mode).seconds,
        drain_estimate(depth, arrived + extra, ended, mode).seconds,
    ):
        assert later is None or (soon is not None and later >= soon)


@given(st.integers(1, 10**6), st.floats(0, 1e3), st.floats(0.1, 1e3))
def test_it_is_the_time_in_which_the_surplus_works_it_off(depth: int, arrived: float, surplus: float) -> None:
    estimate = drain_estimate(depth, arrived, arrived + surplus)
    assert estimate.seconds is not None
    assert estimate.seconds / 60 * surplus == pytest.approx(depth, rel=1e-6)


@pytest.mark.parametrize(
    ("arrived", "ended", "mode", "reason"),
    [
        (0, 60, HoldMode.PAUSED, PAUSED),
        (5, 0, None, NOTHING_RUNS),
        (5, 0, HoldMode.DRAINING, NOTHING_RUNS),
        (60, 30, None, GROWS),
        (30, 30, None, STEADY),
    ],
)
def test_reasons(arrived: float, ended: float, mode: HoldMode | None, reason: str) -> None:
    estimate = drain_estimate(10, arrived, ended, mode)
    assert (estimate.seconds, estimate.reason) == (None, reason)


def test_a_draining_queue_gets_nothing_new() -> None:
    assert drain_estimate(10, 60, 30, HoldMode.DRAINING).seconds == 20


def test_lanes_are_added_up_by_queue() -> None:
    state = live(
        LaneDepth("a", "x.y", [], 3, 990.0, {"medium": 2, "high": 1}),
        LaneDepth("a", "x.z", ["gpu"], 4, 900.0, {"medium": 4}),
        LaneDepth("b", "x.y", [], 0, None, {}),
        open=[
            OpenCount("a", "x.y", "pending", 3),
            OpenCount("a", "x.z", "pending", 4),
            OpenCount("b", "x.y", "in_progress", 1),
        ],
    )
    of_rates = {"a": {5: Rates(10, 6, 17), 60: Rates(1, 1, 1)}, "old": {60: Rates(1, 1, 1)}}
    found = figures(state, of_rates, held("quiet", HoldMode.PAUSED), lambda queue: f"policy of {queue}", ["named"])
    by_name = {one.queue: one for one in found}
    assert list(by_name) == ["a", "b", "named", "old", "quiet"]
    a = by_name["a"]
    assert (a.depth, a.by_priority, a.oldest_seconds, a.open) == (7, {"medium": 6, "high": 1}, 100.0, {"pending": 7})
    assert a.rates == {5: Rates(10, 6, 17), 15: Rates(), 60: Rates(1, 1, 1)}
    assert a.policy == "policy of a"
    assert a.drain is not None
    assert a.drain.seconds == 60.0
    b = by_name["b"]
    assert (b.depth, b.oldest_seconds, b.open, b.drain.seconds) == (0, None, {"in_progress": 1}, 0.0)
    assert by_name["quiet"].hold is not None
    assert by_name["quiet"].hold.mode is HoldMode.PAUSED


def test_without_a_leader_only_history_is_known() -> None:
    [found] = figures(None, {"a": {5: Rates(1, 2, 3)}}, Holds(), lambda queue: "priority")
    assert (found.depth, found.oldest_seconds, found.drain, found.rates[5]) == (None, None, None, Rates(1, 2, 3))
