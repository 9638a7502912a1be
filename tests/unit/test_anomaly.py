"""What counts as unlike the past, and what does not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.telemetry.anomaly import (
    DAYS,
    MIN_SLOTS,
    RECENT_SLOTS,
    Comparison,
    Slot,
    judge,
    past_of,
    recent_starts,
    seasonal_starts,
)

NOW = 1_780_000_020.0
SLOT_SECONDS = 600.0


def past(submitted: int = 200, failed: int = 4, seconds: float = 2.0, slots: int = 70) -> list[Slot]:
    """Slots that differ a little, as real ones do."""
    return [
        Slot(submitted + position % 5 - 2, submitted, failed, submitted, math.log(seconds) + 0.01 * (position % 3 - 1))
        for position in range(slots)
    ]


def windows(submitted: int = 100, failed: int = 2, seconds: float = 2.0, ended: int | None = None) -> dict[int, Slot]:
    """The last five minutes, at half of a slot's numbers."""
    ended = submitted if ended is None else ended
    return {5: Slot(submitted, ended, failed, ended, math.log(seconds))}


def only(verdicts: list[Comparison]) -> Comparison:
    [verdict] = verdicts
    return verdict


def test_the_same_is_no_anomaly() -> None:
    assert judge(windows(), past()) == []


@pytest.mark.parametrize(("factor", "sign"), [(2.0, 1), (0.4, -1)])
def test_durations(factor: float, sign: int) -> None:
    verdict = only(judge(windows(seconds=2.0 * factor), past()))
    assert verdict.measure == "duration"
    assert math.copysign(1, verdict.score) == sign
    assert verdict.value == pytest.approx(2.0 * factor)
    assert verdict.expected == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize(("submitted", "sign"), [(250, 1), (20, -1), (0, -1)])
def test_arrivals(submitted: int, sign: int) -> None:
    [verdict] = [v for v in judge(windows(submitted, ended=100), past()) if v.measure == "arrival rate"]
    assert math.copysign(1, verdict.score) == sign
    assert verdict.value == submitted / 5
    assert verdict.expected == pytest.approx(20, rel=0.02)


def test_failures_only_when_there_are_more() -> None:
    verdict = only(judge(windows(failed=35), past()))
    assert (verdict.measure, verdict.value) == ("failure rate", 35.0)
    assert verdict.score > 6
    assert judge(windows(failed=0), past(failed=100)) == []


def test_certain_but_small_changes_are_of_no_use() -> None:
    assert judge(windows(seconds=2.2), past()) == []
    assert judge(windows(submitted=120), past()) == []
    assert judge({5: Slot(100_000, 100_000, 3_000, 100_000, math.log(2))}, past(200_000)) == []


def test_little_is_no_verdict() -> None:
    assert judge(windows(0), past(slots=MIN_SLOTS - 1)) == []
    assert judge({5: Slot(3, 3, 3, 3, math.log(100))}, past(submitted=4)) == []
    assert judge(windows(100), [Slot()] * 70) == []


def test_the_worst_window_counts() -> None:
    both = {**windows(seconds=3.0), 20: Slot(400, 400, 8, 400, math.log(3.0))}
    assert only(judge(both, past())).score > only(judge(windows(seconds=3.0), past())).score


@given(st.floats(0.01, 1000))
def test_durations_do_not_depend_on_their_scale(factor: float) -> None:
    slow = only(judge(windows(seconds=4.0 * factor), past(seconds=2.0 * factor)))
    assert slow.score == pytest.approx(only(judge(windows(seconds=4.0), past(seconds=2.0))).score)


@given(st.integers(1, 10_000), st.floats(0, 0.5), st.floats(0.001, 1000))
def test_a_constant_series_never_alarms(submitted: int, failing: float, seconds: float) -> None:
    failed = int(submitted * failing)
    slot = Slot(2 * submitted, 2 * submitted, 2 * failed, 2 * submitted, math.log(seconds))
    present = {5: Slot(submitted, submitted, failed, submitted, math.log(seconds))}
    assert judge(present, [slot] * 30) == []


def test_the_past_is_the_same_time_of_day() -> None:
    starts = seasonal_starts(NOW)
    assert len(starts) == 5 * DAYS
    assert all(start % SLOT_SECONDS == 0 for start in starts)
    here = NOW // SLOT_SECONDS * SLOT_SECONDS
    assert {(start - here) % 86_400 for start in starts} == {0, 600, 1200, 86_400 - 600, 86_400 - 1200}


def test_missing_slots_are_empty_and_unknown_ones_are_left_out() -> None:
    found = {start: Slot(submitted=7) for start in seasonal_starts(NOW)[:10]}
    slots = past_of(found, NOW, NOW - 4 * 86_400 - 3600)
    assert len(slots) == 20
    assert [slot.submitted for slot in slots] == [7] * 10 + [0] * 10


def test_the_last_hours_stand_in_for_days_that_are_not_known() -> None:
    found = {start: Slot(submitted=5) for start in recent_starts(NOW)}
    slots = past_of(found, NOW, NOW - 86_400)
    assert [slot.submitted for slot in slots] == [5] * RECENT_SLOTS
    assert recent_starts(NOW)[0] <= NOW - 3 * SLOT_SECONDS
    assert len(past_of(found, NOW, NOW - 7200)) < MIN_SLOTS
