"""An agent's run times are compared with those of the others, and only where there are enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.telemetry.histogram import Histogram
from taskyard.core.telemetry.run_times import P50, P95, Comparison, RunTimes, Slower, compared, run_times

durations = st.lists(st.floats(0.001, 1_000.0), max_size=30)


def histogram(seconds: float, count: int, slow: float = 0.0, slow_count: int = 0) -> Histogram:
    """Run times of `seconds`, and some of `slow` seconds."""
    found = Histogram()
    found.add(seconds, count)
    if slow_count:
        found.add(slow, slow_count)
    return found


@given(st.dictionaries(st.sampled_from("abcd"), durations, max_size=4))
def test_the_others_are_all_but_the_agent_itself(given_: dict[str, list[float]]) -> None:
    found = compared({name: Histogram.of(times) for name, times in given_.items()})

    for name, times in given_.items():
        others = [seconds for other, theirs in given_.items() if other != name for seconds in theirs]
        assert found[name] == Comparison(run_times(Histogram.of(times)), run_times(Histogram.of(others)))


def test_a_slow_agent_is_told_by_how_much_and_the_others_are_not() -> None:
    found = compared({"slow": histogram(2.1, 50), "one": histogram(1.0, 50), "other": histogram(1.0, 50)})

    slower = found["slow"].slower
    assert slower is not None
    assert slower.percent == P50
    assert slower.ratio == pytest.approx(2.1, rel=0.11)  # the error of both percentiles
    assert found["one"].slower is None
    assert found["one"].ratio(P50) == pytest.approx(1.0, rel=0.11)


def test_an_agent_that_is_slow_now_and_then_is_told_by_its_p95() -> None:
    found = compared({"odd": histogram(1.0, 180, 6.0, 20), "even": histogram(1.0, 200)})

    assert found["odd"].slower == Slower(found["odd"].ratio(P95) or 0.0, P95)
    assert found["odd"].slower.ratio > 5


@pytest.mark.parametrize(("own", "others"), [(9, 50), (50, 9), (50, 0)])
def test_few_attempts_say_nothing(own: int, others: int) -> None:
    counts = {"slow": histogram(9.0, own), "other": histogram(1.0, others) if others else Histogram()}

    found = compared(counts)["slow"]

    assert (found.ratio(P50), found.slower) == (None, None)


def test_a_difference_of_milliseconds_is_not_notable() -> None:
    comparison = Comparison(RunTimes(500, 0.009, 0.009), RunTimes(500, 0.001, 0.001))

    assert comparison.ratio(P50) == pytest.approx(9.0)
    assert comparison.slower is None
