"""Percentiles of histograms are within the documented error of exact ones, whatever was merged."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.telemetry.histogram import (
    GROWTH,
    MIN_SECONDS,
    RELATIVE_ERROR,
    Histogram,
    bucket_of,
    value_of,
)

durations = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=200)
percents = st.sampled_from([0.1, 1, 25, 50, 75, 90, 95, 99, 99.9, 100])
ROUNDING = 1e-9


def exact(values: list[float], percent: float) -> float:
    """The nearest-rank percentile."""
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


@given(durations, percents)
def test_percentiles_are_within_the_error(values: list[float], percent: float) -> None:
    found = Histogram.of(values).percentile(percent)
    assert found is not None
    wanted = exact(values, percent)
    assert abs(found - wanted) <= wanted * (RELATIVE_ERROR + ROUNDING)


@given(st.lists(durations, min_size=1, max_size=5), percents)
def test_merged_is_as_good_as_together(parts: list[list[float]], percent: float) -> None:
    merged = Histogram()
    for part in parts:
        merged.merge(Histogram.of(part))
    together = Histogram.of([value for part in parts for value in part])
    assert merged.counts == together.counts
    assert merged.total_seconds == pytest.approx(together.total_seconds)
    assert merged.percentile(percent) == together.percentile(percent)


def upper_bound_of(bucket: int) -> float:
    """Returns the largest duration in seconds that falls into a bucket."""
    return GROWTH**bucket


@given(st.floats(1e-6, 1e9))
def test_a_bucket_holds_what_it_says(seconds: float) -> None:
    bucket = bucket_of(seconds)
    assert upper_bound_of(bucket - 1) * (1 - ROUNDING) <= seconds <= upper_bound_of(bucket) * (1 + ROUNDING)
    assert abs(value_of(bucket) - seconds) <= seconds * (RELATIVE_ERROR + ROUNDING)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-12])
def test_what_is_too_short_counts_as_the_least(seconds: float) -> None:
    assert bucket_of(seconds) == bucket_of(MIN_SECONDS)


def test_empty() -> None:
    empty = Histogram()
    assert (empty.count, empty.mean, empty.percentile(50), empty.share_within(1)) == (0, None, None, None)


def test_share_within() -> None:
    assert Histogram.of([0.01, 0.02, 0.05, 3.0]).share_within(0.1) == 0.75
