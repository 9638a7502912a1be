"""Estimated starts and times to drain, from predicted work and slots."""

from __future__ import annotations

from typing import Any

import pytest

from taskyard.core.models import Lane
from taskyard.core.telemetry.learning_live import StartsLive
from taskyard.core.telemetry.live_snapshot import AgentLive, DispatcherLive, LaneDepth, LiveSnapshot
from taskyard.core.telemetry.start_estimates import (
    MIN_RESULTS,
    UNKNOWN_FACTOR,
    StartErrors,
    StartRange,
    drain_seconds,
    estimate_start,
    start_range,
)

A, B = Lane("q", "a"), Lane("q", "b")


def agent(name: str, types: list[str], slots: int = 1, held: int = 0, **more: Any) -> AgentLive:
    values = {"state": "online", "running": held, "mean_seconds": None, "cpu_percent": 0.0, "memory_bytes": 0}
    return AgentLive(
        id=name, name=name, kind="k", host="h", pid=1, types=types, tags=[], max_concurrency=slots, held=held,
        heartbeat_at=0.0, read_at=0.0, tasks=[], breakers=[], **{**values, **more},
    )  # fmt: skip


def lane(of: Lane, ready: int, work_seconds: float | None) -> LaneDepth:
    return LaneDepth(of.queue, of.type, list(of.requires), ready, 0.0, {}, work_seconds)


def live(lanes: list[LaneDepth], agents: list[AgentLive]) -> LiveSnapshot:
    dispatcher = DispatcherLive("w", 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
    return LiveSnapshot(1, 0.0, dispatcher, 0.0, [], lanes, 0.0, [], [], agents, [], [])


def test_a_task_waits_for_the_work_before_it() -> None:
    full = agent("one", ["*"], 2, held=2)
    assert estimate_start(A, 0, live([lane(A, 10, 100.0)], [full])) == pytest.approx(5.0)
    assert estimate_start(A, 9, live([lane(A, 10, 100.0)], [full])) == pytest.approx(50.0)
    two = [full, agent("two", ["*"], 2, held=2)]
    assert estimate_start(A, 9, live([lane(A, 10, 100.0)], two)) == pytest.approx(25.0)


def test_other_lanes_of_the_same_agents_go_first_as_far_as_it_is_behind() -> None:
    full = agent("one", ["*"], 1, held=1)
    lanes = [lane(A, 10, 10.0), lane(B, 5, 100.0)]
    assert estimate_start(A, 9, live(lanes, [full])) == pytest.approx(110.0)
    assert estimate_start(A, 0, live(lanes, [full])) == pytest.approx(11.0)
    apart = [agent("a", ["a"], 1, held=1), agent("b", ["b"], 1, held=1)]
    assert estimate_start(A, 9, live(lanes, apart)) == pytest.approx(10.0)


def test_with_room_it_starts_at_once_and_without_agents_or_predictions_nothing_is_said() -> None:
    assert estimate_start(A, 0, live([lane(A, 1, 5.0)], [agent("one", ["*"])])) == 0.0
    assert estimate_start(A, 0, live([lane(A, 1, 5.0)], [agent("one", ["b"])])) is None
    assert estimate_start(A, 0, live([lane(A, 1, 5.0)], [agent("one", ["*"], state="paused")])) is None
    assert estimate_start(A, 3, live([lane(A, 5, None)], [agent("one", ["*"], 1, held=1)])) is None
    assert estimate_start(A, 3, live([], [agent("one", ["*"], 1, held=1)])) is None


def test_a_range_is_wide_until_enough_starts_were_compared() -> None:
    assert start_range(10.0, None) == StartRange(10 / UNKNOWN_FACTOR, 10 * UNKNOWN_FACTOR)
    few = StartsLive(MIN_RESULTS - 1, 0.5, 2.0, 0.9)
    assert start_range(10.0, few).coverage is None
    assert start_range(10.0, StartsLive(MIN_RESULTS, 0.5, 2.0, 0.7)) == StartRange(5.0, 20.0, 0.7, MIN_RESULTS)


def test_errors_make_the_range_in_which_eight_of_ten_fell() -> None:
    errors = StartErrors()
    for number in range(100):
        errors.note(10.0, 10.0 * (0.5 + number / 100), StartRange(8.0, 12.0))
    found = errors.live()
    assert found.results == 100
    assert 0.55 < found.low_factor < 0.65
    assert 1.35 < found.high_factor < 1.45
    assert found.coverage == pytest.approx(0.41)


def test_the_time_to_drain_is_that_of_the_slowest_group_of_agents() -> None:
    agents = [agent("a", ["a"], 2), agent("b", ["b"], 1)]
    assert drain_seconds([lane(A, 10, 100.0), lane(B, 1, 20.0)], agents) == pytest.approx(50.0)
    assert drain_seconds([lane(A, 10, None)], agents) is None
    assert drain_seconds([lane(Lane("q", "c"), 1, 1.0)], agents) is None
    assert drain_seconds([], agents) == 0.0
