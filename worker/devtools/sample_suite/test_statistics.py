"""Tests the standard library's `statistics`, for the sample workload."""

import statistics

import pytest


def test_the_mean_of_equal_numbers_is_that_number() -> None:
    assert statistics.fmean([7.0] * 1_000) == 7.0


@pytest.mark.parametrize(("numbers", "median"), [([3, 1, 2], 2), ([4, 1, 3, 2], 2.5), ([5], 5)])
def test_the_median_is_in_the_middle(numbers: list[int], median: float) -> None:
    assert statistics.median(numbers) == median


def test_the_spread_of_one_number_is_refused() -> None:
    with pytest.raises(statistics.StatisticsError):
        statistics.stdev([1])


def test_a_line_is_found_through_its_points() -> None:
    slope, intercept = statistics.linear_regression(range(50), [2 * x + 1 for x in range(50)])
    assert slope == pytest.approx(2)
    assert intercept == pytest.approx(1)
