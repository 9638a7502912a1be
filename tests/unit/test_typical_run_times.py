"""What is shown of a prediction is the median, within its interval; the order of tasks goes by the mean."""

from __future__ import annotations

import random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.explain_prediction import prediction_text
from taskyard.core.learning.head_start import head_start
from taskyard.core.learning.keys import keys_of
from taskyard.core.learning.model import RunTimeModel
from taskyard.core.learning.prediction import Prediction
from taskyard.core.learning.results import Held, side_of
from taskyard.core.models import Lane
from taskyard.core.redis.predictions import Published
from taskyard.core.simulation.coverage import coverage
from taskyard.core.simulation.simulate import Simulation, everywhere
from taskyard.core.simulation.workload import equal_agents
from taskyard.core.submission.predictor import Predictor
from tests.unit.simulation_support import Made, workload_of

KEYS = keys_of("a.b", "ann", "1")


def heavy_tailed() -> Prediction:
    """Made of thirty runs of 50 ms and two of 20 s."""
    model, runs = RunTimeModel(), [0.05] * 30 + [20.0] * 2
    random.Random(1).shuffle(runs)
    for seconds in runs:
        model.learn(KEYS, seconds)
    found = model.predict(KEYS)
    assert found is not None
    return found


def test_few_long_runs_move_the_mean_and_not_what_is_typical() -> None:
    found = heavy_tailed()
    assert found.low <= found.typical <= found.high
    assert found.typical == pytest.approx(0.05, rel=0.1)
    assert found.mean > 10 * found.high
    assert prediction_text(found).startswith("50 ms, 80 %: ")


def test_the_head_start_goes_by_the_mean_and_what_is_stored_has_both() -> None:
    found = heavy_tailed()
    short, wait = 2 * found.mean, 30.0
    state = orjson.dumps({"queues": {"q": (short, wait, True), "shorter": (found.mean / 2, wait, True)}})
    predictor = Predictor(lambda _: Published(state, [None, None, None, found.as_text().encode()]))
    stored = predictor("q", "a.b", "ann", "1", 1)
    assert stored is not None
    assert stored.typical == pytest.approx(found.typical, rel=1e-3)
    assert stored.mean == pytest.approx(found.mean, rel=1e-3)
    assert stored.head_start == pytest.approx(head_start(found.mean, short, wait), rel=1e-3)
    other = predictor("shorter", "a.b", "ann", "1", 1)
    assert other is not None
    assert other.head_start == 0  # although its median is far below the limit


@given(st.lists(st.floats(1e-5, 1e8), min_size=1, max_size=150), st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_what_is_typical_is_within_any_interval(seconds: list[float], one: float, other: float) -> None:
    model = RunTimeModel()
    for each in seconds:
        model.learn(KEYS, each)
    model.calibration.low, model.calibration.high = sorted((one, other))
    found = model.predict(KEYS)
    assert found is not None
    assert found.low <= found.typical <= found.high
    assert Prediction.parse(found.as_text(), 3).is_plausible()


# results


@pytest.mark.parametrize("constant", [1.0, 0.25, 3.0, 0.0017])
def test_a_type_that_always_takes_as_long_is_within_its_interval(constant: float) -> None:
    """Also beside a type that takes much longer, of which a new one's distribution has a share."""
    kinds = [(constant, "c.short"), (20 * constant, "c.long")]
    tasks = [
        Made(i * constant, seconds, Lane("q", type_), keys=keys_of(type_, "ann", "1"))
        for i in range(400)
        for seconds, type_ in kinds[: 1 + (i % 2)]
    ]
    workload = workload_of(tasks, equal_agents(50))
    found = coverage(workload, Simulation(workload, everywhere("learned")).run())
    assert (found.by_type["c.short"].share or 0) > 0.97
    assert (found.by_type["c.long"].share or 0) > 0.9
    model, held = RunTimeModel(), Held()
    for _ in range(300):
        predicted = model.predict(KEYS)
        if predicted is not None:
            held.add(constant, predicted.low, predicted.typical, predicted.high)
        model.learn(KEYS, constant)
    assert held.coverage == 1.0


def test_only_an_end_in_the_bucket_of_the_median_is_as_wide_as_that() -> None:
    low, typical, high = 1.0087, 1.044, 1.081
    assert [side_of(one, low, typical, high) for one in (0.99, 1.0, 1.02, 1.09, 1.1)] == [-1, 0, 0, 0, 1]
    assert [side_of(one, low, 1.5, 1.9) for one in (1.0, 1.0087, 1.9, 1.91)] == [-1, 0, 0, 1]
    assert [side_of(one, low, typical, 9.0) for one in (1.0, 9.01)] == [0, 1]
