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
from taskyard.core.redis.predictions import Published
from taskyard.core.submission.predictor import Predictor

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
