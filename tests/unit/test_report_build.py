"""The arithmetic of reports, against counting one by one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.postgres.store.history import Point
from taskyard.core.postgres.store.rollups import DAY, HOUR, LEVELS, MINUTE, TEN_MINUTES
from taskyard.core.reports.data.build import aligned, build, unit_for
from taskyard.core.reports.data.facts import AgentRuns, Facts, Load, Peak, Presence, Side
from taskyard.core.reports.data.report import Report, Scope, change, most_failing, slowest
from taskyard.core.telemetry.histogram import RELATIVE_ERROR, Histogram
from tests.unit.report_support import START, empty_report, hostile_report, point

durations = st.lists(st.floats(0.001, 1_000), max_size=20)
counts = st.integers(0, 1_000)


def side(points: list[Point] = (), **given: Any) -> Side:  # type: ignore[assignment]
    defaults: dict[str, Any] = {"types": {}, "loads": [], "led_minutes": 0}
    return Side(**{"since": float(START), "until": float(START + HOUR), "points": points, **defaults, **given})


def report(now: Side, before: Side | None = None, **given: Any) -> Report:
    nothing = side(since=float(START - HOUR), until=float(START))
    defaults: dict[str, Any] = {"scope": Scope(), "made_at": START + 2.0 * HOUR, "step_seconds": TEN_MINUTES}
    defaults |= {"unit_seconds": MINUTE, "first_led": None}
    return build(Facts(**{**defaults, "now": now, "before": before or nothing, **given}))


@given(st.lists(st.tuples(counts, counts, counts, durations, durations), max_size=6))
def test_totals_are_those_of_a_recount(steps: list[tuple[int, int, int, list[float], list[float]]]) -> None:
    points = [
        Point(
            float(START + TEN_MINUTES * n),
            submitted=completed,
            completed=completed,
            failed=failed,
            retried=retried,
            failures={"timeout": failed} if failed else {},
            wait=Histogram.of(waits),
            run=Histogram.of(runs),
        )
        for n, (completed, failed, retried, waits, runs) in enumerate(steps)
    ]
    made = report(side(points))
    found = made.now.counts
    assert found.completed == sum(step[0] for step in steps)
    assert found.failed_attempts == sum(step[1] + step[2] for step in steps)
    ended = found.completed + found.failed
    assert found.success_rate == (found.completed / ended if ended else None)
    assert made.now.completed_per_minute == found.completed / 60
    waits = sorted(wait for step in steps for wait in step[3])
    assert found.wait.count == len(waits)
    if waits:
        assert found.wait.mean == pytest.approx(sum(waits) / len(waits))
        exact = waits[max(1, math.ceil(len(waits) * 0.95)) - 1]
        assert found.wait.p95 == pytest.approx(exact, rel=RELATIVE_ERROR + 1e-6)
        low, high = (sum(wait <= 0.1 * factor for wait in waits) / len(waits) for factor in (0.9, 1.12))
        assert low <= (found.in_time or 0) <= high
    else:
        assert (found.wait.p50, found.in_time) == (None, None)
    assert sum(step.counts.completed for step in made.steps) == found.completed
    assert {name: now for name, now, _ in made.error_classes}.get("timeout", 0) == found.failed


@given(st.integers(0, 59), st.integers(1, 500), st.sampled_from([MINUTE, TEN_MINUTES, HOUR]))
def test_steps_cover_the_period_without_gaps(offset: int, minutes: int, step: int) -> None:
    since = float(START + offset * MINUTE)
    made = report(side(since=since, until=since + minutes * MINUTE), step_seconds=step)
    assert made.steps[0].at == made.now.since
    assert sum(one.seconds for one in made.steps) == minutes * MINUTE
    for one, following in zip(made.steps, made.steps[1:], strict=False):
        assert (following.at - one.at).total_seconds() == one.seconds
        assert one.seconds == step, "all but the last are whole"


def test_types_are_compared_with_the_period_before() -> None:
    now = {"a": point(0.0, completed=5), "b": point(0.0, completed=1, failed=3, retried=2)}
    now["b"].run.add(60.0)
    made = report(side(types=now), side(types={"a": point(0.0, completed=4), "c": point(0.0, completed=9)}))
    by_name = {line.type: line for line in made.types}
    assert list(by_name) == ["a", "b", "c"]
    assert (by_name["a"].counts.completed, by_name["a"].before.completed) == (5, 4)
    assert (by_name["c"].counts.completed, by_name["c"].before.completed) == (0, 9)
    assert [line.type for line in slowest(made.types)] == ["b", "a"]
    assert [line.type for line in most_failing(made.types)] == ["b"]


@pytest.mark.parametrize(
    ("now", "before", "wanted"),
    [(3, 2, 0.5), (1, 2, -0.5), (0, 4, -1.0), (1, 0, None), (None, 1, None), (1, None, None)],
)
def test_change(now: float | None, before: float | None, wanted: float | None) -> None:
    assert change(now, before) == wanted


def test_availability_counts_only_minutes_that_could_be_seen() -> None:
    def available(led: int, first: float | None, made_at: float = START + 2.0 * HOUR) -> float | None:
        return report(side(led_minutes=led), first_led=first, made_at=made_at).now.availability

    assert available(60, 0.0) == 1.0
    assert available(45, 0.0) == 0.75
    assert available(61, 0.0) == 1.0  # a leader that handed over within a minute
    assert available(15, START + 30.0 * MINUTE) == 0.5  # only half an hour since the first
    assert available(0, None) is None
    assert available(0, START + 2.0 * HOUR) is None
    assert available(9, 0.0, made_at=START + 11.0 * MINUTE) == 0.9  # the last minute is not stored yet


def test_utilisation_of_all_slots() -> None:
    loads = [
        Load(float(START), "busy", 6, 12.0, 4.0),  # 2 of 3 slots
        Load(float(START), "idle", 6, 0.0, 0.0),  # none of its 1
        Load(float(START + TEN_MINUTES), "busy", 6, 18.0, 6.0),
    ]
    made = report(side([], loads=loads), presence={"idle": Presence(1, 3600.0)})
    assert made.now.utilisation == pytest.approx(30 / (18 + 6 + 18))
    assert made.steps[0].utilisation == pytest.approx(12 / 24)
    assert made.steps[1].utilisation == 1.0
    assert made.steps[2].utilisation is None
    assert made.capacity.headroom == pytest.approx(1 - 30 / 42)


def test_utilisation_and_reliability_of_agents() -> None:
    loads = [Load(float(START), "sampled", 10, 15.0, 5.0)]
    runs = [
        AgentRuns("sampled", 6, 2, 1, 8, 40.0, 80.0),  # half of its time was the scope's
        AgentRuns("known", 1, 0, 0, 1, 900.0, 900.0),
        AgentRuns("long", 1, 0, 0, 1, 9_000.0, 9_000.0),  # began before the range
        AgentRuns("gone", 0, 0, 0, 0, 0.0, 0.0),
    ]
    presence = {"known": Presence(2, 3600.0), "long": Presence(1, 3600.0)}
    lines = {line.agent: line for line in report(side(loads=loads), agents=runs, presence=presence).agents}
    assert list(lines) == ["sampled", "known", "long", "gone"]
    assert lines["sampled"].utilisation == pytest.approx(0.25)
    assert (lines["sampled"].success_rate, lines["sampled"].mean_run) == (0.75, 5.0)
    assert lines["known"].utilisation == 0.25
    assert lines["long"].utilisation == 1.0
    assert (lines["gone"].utilisation, lines["gone"].success_rate, lines["gone"].mean_run) == (None, None, None)


def test_capacity() -> None:
    peaks = [Peak(DAY, 0.0, 14_400), Peak(MINUTE, float(START), 25), Peak(HOUR, 0.0, 900)]
    loads = [Load(float(START), "a", 6, 3.0, 1.5)]
    made = report(side([point(float(START), completed=120)], loads=loads, led_minutes=40), peaks=peaks)
    assert (made.capacity.peak_per_minute, made.capacity.peak_unit_seconds) == (25, MINUTE)
    assert made.capacity.peak_at is not None
    assert made.capacity.peak_at.timestamp() == START
    assert (made.capacity.mean_per_minute, made.capacity.full_per_minute) == (2.0, 12.0)
    part = report(side([point(float(START), completed=120)], loads=loads, led_minutes=40), scope=Scope(queue="q"))
    assert part.capacity.full_per_minute is None
    assert part.capacity.peak_per_minute is None


def test_a_report_of_nothing() -> None:
    made = empty_report()
    assert made.is_empty
    assert (made.now.availability, made.now.utilisation, made.capacity.headroom) == (None, None, None)
    assert len(made.steps) == 60
    assert not hostile_report().is_empty


def test_units_are_those_that_are_still_kept() -> None:
    kept = {MINUTE: 93.0 * DAY, TEN_MINUTES: 70.0 * DAY, HOUR: 10.0 * DAY, DAY: 0.0}
    assert unit_for(95.0 * DAY, kept) == MINUTE
    assert unit_for(80.0 * DAY, kept) == TEN_MINUTES
    assert unit_for(20.0 * DAY, kept) == HOUR
    assert unit_for(5.0 * DAY, kept) == DAY
    assert unit_for(5.0 * DAY, dict.fromkeys(LEVELS)) == MINUTE
    young = {MINUTE: 50.5 * DAY, TEN_MINUTES: 50.5 * DAY, HOUR: 50.5 * DAY // HOUR * HOUR, DAY: 50.0 * DAY}
    assert unit_for(5.0 * DAY, young) == MINUTE  # before that there was nothing
    assert unit_for(5.0 * DAY, {MINUTE: None, TEN_MINUTES: None, HOUR: None, DAY: 0.0}) == DAY


@given(st.floats(0, 1e9), st.floats(0, 1e7), st.sampled_from(LEVELS))
def test_aligned_ranges_are_whole_units(since: float, length: float, unit: int) -> None:
    first, last = aligned(since, since + length, unit)
    assert first % unit == last % unit == 0
    assert first <= since
    assert last - first >= unit
    assert last <= since + length or last == first + unit
