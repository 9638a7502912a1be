"""Which level serves which part of a range."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.postgres.store.history import (
    DAY,
    HOUR,
    MINUTE,
    STEPS_SECONDS,
    Point,
    covering,
    spans,
    step_for,
    total,
)

times = st.integers(0, 60 * DAY).map(float)


def test_a_day_by_hours_reads_hours_and_the_last_minutes() -> None:
    rolled = {MINUTE: 10 * DAY + 7000.0, HOUR: 10.0 * DAY + HOUR, DAY: 10.0 * DAY}
    assert spans(9.0 * DAY, 10.0 * DAY + 7200, HOUR, rolled) == [
        (HOUR, 9.0 * DAY, 10.0 * DAY + HOUR),
        (MINUTE, 10.0 * DAY + HOUR, 10.0 * DAY + 2 * HOUR),
    ]


def test_months_by_days() -> None:
    rolled = {MINUTE: 50.0 * DAY, HOUR: 40.0 * DAY + 5 * HOUR, DAY: 40.0 * DAY}
    assert spans(10.0 * DAY, 40.0 * DAY + 6 * HOUR, DAY, rolled) == [
        (DAY, 10.0 * DAY, 40.0 * DAY),
        (HOUR, 40.0 * DAY, 40.0 * DAY + 5 * HOUR),
        (MINUTE, 40.0 * DAY + 5 * HOUR, 40.0 * DAY + 6 * HOUR),
    ]


@given(times, times, st.sampled_from(STEPS_SECONDS), times, times)
def test_every_range_is_covered_once(since: float, length: float, step: int, hours: float, days: float) -> None:
    until = since + length
    rolled = {HOUR: hours // HOUR * HOUR, DAY: days // DAY * DAY}
    found = sorted(spans(since, until, step, rolled), key=lambda span: span[1])
    start = since // step * step
    if start >= until:
        assert found == []
        return
    assert (found[0][1], found[-1][2]) == (start, until)
    assert all(before[2] == after[1] for before, after in itertools.pairwise(found))
    for level, first, last in found:
        assert level <= step
        assert level == MINUTE or (first % level == 0 and last % level == 0 and last <= rolled[level])


@given(st.integers(0, 86_400), times, st.sampled_from(STEPS_SECONDS), times, times)
def test_a_range_from_within_a_step_is_covered_once(
    minutes: int, length: float, step: int, hours: float, days: float
) -> None:
    since, until = minutes * 60.0, minutes * 60.0 + length
    found = sorted(
        covering(since, until, step, {HOUR: hours // HOUR * HOUR, DAY: days // DAY * DAY}), key=lambda s: s[1]
    )
    assert sum(last - first for _, first, last in found) == length
    assert all(before[2] == after[1] for before, after in itertools.pairwise(found))
    assert not found or (found[0][1], found[-1][2]) == (since, until)
    assert all(level == MINUTE or (first % level == 0 and last % level == 0) for level, first, last in found)


def test_steps_give_a_readable_number_of_points() -> None:
    assert [step_for(seconds) for seconds in (900, 6 * HOUR, DAY, 7 * DAY, 90 * DAY)] == [60, 300, 600, 6 * HOUR, DAY]


def test_total() -> None:
    first, second = Point(0.0, completed=2, failures={"timeout": 1}), Point(60.0, completed=3, failures={"timeout": 2})
    first.run.add(1.0)
    second.run.add(2.0)
    whole = total([first, second])
    assert (whole.completed, whole.failures, whole.run.total_seconds) == (5, {"timeout": 3}, 3.0)
    assert total([]).submitted == 0
