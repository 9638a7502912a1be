"""How errors of predictions are counted: within a millisecond there are none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.learning.results import LEAST_SECONDS, Held

seconds = st.floats(0, 1e6)


def of_one(actual: float, predicted: float) -> Held:
    held = Held()
    held.add(actual, predicted / 2, predicted, predicted * 2)
    return held


def test_tasks_of_microseconds_do_not_outweigh_all_others() -> None:
    held = Held()
    for _ in range(31):
        held.add(2e-6, 1e-5, 5e-4, 2e-3)  # no-ops of which the first few took longer
    assert held.below == 31
    for _ in range(9):
        held.add(20.0, 5.0, 10.0, 40.0)
    assert held.error_factor == pytest.approx(2 ** (9 / 40))
    assert held.bias_factor == pytest.approx(2 ** (9 / 40))


@given(actual=seconds, predicted=seconds)
def test_an_error_is_that_of_at_least_a_millisecond(actual: float, predicted: float) -> None:
    held = of_one(actual, predicted)
    assert held.log_error == abs(held.log_bias) <= math.log(1e6 / LEAST_SECONDS)
    assert (held.log_error == 0) == (max(actual, LEAST_SECONDS) / max(predicted, LEAST_SECONDS) == 1)
    if min(actual, predicted) >= LEAST_SECONDS:
        assert held.log_bias == pytest.approx(math.log(actual) - math.log(predicted), abs=1e-9)
