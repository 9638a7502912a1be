"""Which tasks are lifted, and how far: pure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.learning.head_start import head_start
from taskyard.core.models import Lane
from taskyard.core.scheduling.lifting import (
    LIMIT_FACTOR,
    MIN_LIMIT_SECONDS,
    MIN_WAITS,
    STEP,
    Lift,
    lift_seconds,
    lifts,
    limit_seconds,
)

NEXT_LOOK = 10.0
LONG, SHORT, OTHER = Lane("q", "a.long"), Lane("q", "a.short", ("gpu",)), Lane("other", "a.long")


def test_the_limit_is_twice_what_99_of_100_wait_and_no_less_than_a_second() -> None:
    assert limit_seconds(1_000, 4.0) == LIMIT_FACTOR * 4.0
    assert limit_seconds(MIN_WAITS, 0.001) == MIN_LIMIT_SECONDS


def test_there_is_no_limit_while_few_waits_are_known() -> None:
    assert limit_seconds(0, None) is None
    assert limit_seconds(MIN_WAITS - 1, 4.0) is None
    assert limit_seconds(MIN_WAITS, 4.0) is not None


@given(
    longest=st.floats(MIN_LIMIT_SECONDS, 1e7),
    share=st.floats(0.0, 1.0),
    later=st.floats(0.001, NEXT_LOOK),
    predicted=st.floats(0.0, 1.0),
)
def test_no_later_task_overtakes_a_lifted_one(longest: float, share: float, later: float, predicted: float) -> None:
    """Until the next look: nothing starts meanwhile, so that the longest wait grows as fast as it can."""
    waited = share * longest
    lifted = -waited - lift_seconds(longest, NEXT_LOOK)  # a score, as of the lift
    assert lifted < later - head_start(predicted, 1.0, longest + later)


@given(st.floats(MIN_LIMIT_SECONDS, 1e7))
def test_a_lift_is_no_more_than_a_step_above_what_is_needed(longest: float) -> None:
    needed = head_start(0.0, 1.0, longest + NEXT_LOOK)
    assert needed <= lift_seconds(longest, NEXT_LOOK) <= needed * STEP + 0.001


def test_lanes_with_longer_waits_than_the_limit_of_their_queue_are_lifted_alike() -> None:
    waits = {LONG: 100.0, SHORT: 30.0, OTHER: 1_000.0}
    assert lifts(waits, {"q": 20.0, "other": 2_000.0}, NEXT_LOOK) == (
        Lift(LONG, 20.0, lift_seconds(100.0, NEXT_LOOK)),
        Lift(SHORT, 20.0, lift_seconds(100.0, NEXT_LOOK)),
    )
    assert [one.lane for one in lifts(waits, {"q": 50.0}, NEXT_LOOK)] == [LONG]


def test_nothing_is_lifted_without_a_limit_or_within_it() -> None:
    assert lifts({LONG: 100.0}, {"q": None}, NEXT_LOOK) == ()
    assert lifts({LONG: 100.0}, {}, NEXT_LOOK) == ()
    assert lifts({LONG: 100.0}, {"q": 100.0}, NEXT_LOOK) == ()
