"""The pure parts of learning: keys, means, spread, intervals, head starts and the watch on them."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.learning.calibration import MIN_RESULTS, Calibration
from taskyard.core.learning.head_start import MIN_WAIT_SECONDS, WAITS, WORK_SHARE, ShortLimit, head_start
from taskyard.core.learning.keys import keys_of, parts_of, size_by, size_of_bytes
from taskyard.core.learning.model import Known, RunTimeModel
from taskyard.core.learning.prediction import Prediction
from taskyard.core.learning.shrunk_means import MEMORY, STRENGTH, RunningMean, shrunk_mean
from taskyard.core.learning.sketches import MAX_BUCKETS, Sketch, distribution, quantiles, share_below
from taskyard.core.learning.watch import LAST, MIN_TASKS, Watch

SECONDS = st.floats(1e-5, 1e8)


# keys


def test_keys_go_from_everything_to_the_size() -> None:
    keys = keys_of("code.build", "ada", "12")
    assert keys[0] == ""
    assert keys[1] == "code.build"
    assert [parts_of(key) for key in keys] == [(), ("code.build",), ("code.build", "ada"), ("code.build", "ada", "12")]


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_creator_and_size_make_bounded_and_distinct_keys(creator: str, size: str) -> None:
    keys = keys_of("a.b", creator, size_by((("x",),), {"x": size}))
    assert all(len(key) < 200 for key in keys)
    assert len(set(keys)) == 4
    assert [len(parts_of(key)) for key in keys] == [0, 1, 2, 3]
    assert keys_of("a.b", creator + "x", "1")[2] != keys[2]


def test_sizes_are_powers_of_two_of_numbers_and_lengths_and_other_values_as_they_are() -> None:
    assert size_of_bytes(1000) == size_of_bytes(1023) != size_of_bytes(1024)
    values = {"images": 5, "steps": 0, "model": "large", "fast": True, "files": ["a"] * 8, "back": -4.0}
    assert size_by(tuple((name,) for name in values), values) == "2^2,0,large,true,2^3,-2^2"
    assert (
        size_by((("images",), ("absent",), ("steps", "num_steps")), {"images": math.nan, "num_steps": 8}) == "-,-,2^3"
    )
    assert len(size_by((("model",),), {"model": "x" * 10_000})) < 64


# means


def test_a_mean_with_few_runs_stays_close_to_the_one_above() -> None:
    above, own = RunningMean(50.0, 10.0), RunningMean(1.0, 100.0)
    assert shrunk_mean([above, own]) == pytest.approx((100 + STRENGTH * 10) / (1 + STRENGTH))
    assert shrunk_mean([above, None, own]) == 10.0
    assert shrunk_mean([None, own]) is None
    assert shrunk_mean([]) is None


def test_a_mean_follows_a_change_within_its_memory() -> None:
    mean = RunningMean()
    for _ in range(1_000):
        mean.add(1.0)
    for _ in range(int(4 * MEMORY)):
        mean.add(9.0)
    assert 8.8 < mean.mean <= 9.0
    assert mean.runs == MEMORY


# spread


@given(st.lists(SECONDS, min_size=1, max_size=400))
def test_a_sketch_stays_bounded_and_its_quantiles_are_within_the_run_times(seconds: list[float]) -> None:
    sketch = Sketch()
    for one in seconds:
        sketch.add(one)
    assert len(sketch.weights) <= MAX_BUCKETS
    shares = distribution([sketch])
    assert sum(shares.values()) == pytest.approx(1)
    found = quantiles(shares, (0.1, 0.5, 0.9))
    assert all(a <= b for a, b in pairwise(found))
    assert min(seconds) / 1.1 <= found[0]
    assert found[-1] <= max(seconds) * 1.1


def test_old_run_times_fade() -> None:
    sketch = Sketch()
    for _ in range(2_000):
        sketch.add(1.0)
    for _ in range(600):
        sketch.add(100.0)
    assert quantiles(distribution([sketch]), (0.2,))[0] > 50
    assert Sketch(sketch.faded()).runs == pytest.approx(sketch.runs)


@given(st.lists(SECONDS, min_size=20, max_size=100), st.sampled_from([0.1, 0.5, 0.9]))
def test_the_share_below_a_quantile_is_its_share(seconds: list[float], share: float) -> None:
    sketch = Sketch()
    for one in seconds:
        sketch.add(one)
    shares = distribution([sketch])
    assert share_below(shares, quantiles(shares, (share,))[0]) == pytest.approx(share, abs=1e-6)


def test_intervals_that_are_too_narrow_are_widened() -> None:
    """Results that fall in the outer shares twice as often as they should move the ends outwards."""
    draw, calibration = random.Random(1), Calibration()
    fell = [draw.random() for _ in range(1_000)]
    for share in fell[: MIN_RESULTS // 2]:
        calibration.note(share)
    assert (calibration.low, calibration.high) == (pytest.approx(0.1), pytest.approx(0.9))
    for share in fell:
        calibration.note(share**2 if share < 0.5 else 1 - (1 - share) ** 2)
    assert calibration.low < 0.03
    assert calibration.high > 0.97


def test_intervals_cover_eighty_percent_of_what_comes_next() -> None:
    """Log-normal run times of three types by two creators, whose speed changes halfway."""
    draw, model = random.Random(5), RunTimeModel()
    covered = []
    for number in range(6_000):
        kind, creator = draw.randrange(3), draw.randrange(2)
        keys = keys_of(f"t{kind}", f"c{creator}", "1")
        seconds = draw.lognormvariate(kind * (1 if number < 3_000 else 1.5) + creator, 0.8)
        predicted = model.predict(keys)
        if predicted is not None:
            covered.append(predicted.low <= seconds <= predicted.high)
        model.learn(keys, seconds)
    assert 0.77 < sum(covered) / len(covered) < 0.83


# the model


def test_a_prediction_says_from_how_many_runs_of_what() -> None:
    model = RunTimeModel()
    assert model.predict(keys_of("a", "x", "1")) is None
    for seconds in (1.0, 2.0, 3.0):
        model.learn(keys_of("a", "x", "1"), seconds)
    model.learn(keys_of("b", "x", "1"), 50.0)
    seen, other_size, other_type = (
        model.predict(keys_of(*one)) for one in (("a", "x", "1"), ("a", "x", "9"), ("c", "x", "1"))
    )
    assert seen is not None
    assert (seen.runs, seen.level) == (3, 3)
    assert seen.low <= 2 <= seen.high
    assert other_size is not None
    assert (other_size.runs, other_size.level) == (3, 2)
    assert other_type is not None
    assert (other_type.runs, other_type.level) == (4, 0)


def test_the_model_forgets_the_keys_that_learned_longest_ago() -> None:
    model = RunTimeModel(max_keys=40)
    for number in range(100):
        model.learn(keys_of("a", f"c{number}", "1"), 1.0)
    assert len(model) == 40
    assert model.known("") is not None
    assert model.known(keys_of("a", "c0", "1")[3]) is None
    assert model.known(keys_of("a", "c99", "1")[3]) is not None
    assert keys_of("a", "c0", "1")[3] in model.forgotten
    assert not model.changed & model.forgotten


@pytest.mark.parametrize("mean", [math.nan, -1.0, math.inf, 1e300])
def test_a_poisoned_key_is_ignored_and_the_others_are_loaded(mean: float) -> None:
    good = Known(RunningMean(3.0, 2.0), Sketch({8: 3.0}), 3)
    poisoned = [
        Known(RunningMean(3.0, mean), Sketch({8: 3.0}), 3),
        Known(RunningMean(3.0, 2.0), Sketch({8: mean}), 3),
        Known(RunningMean(mean, 2.0), Sketch({8: 3.0}), 3),
        Known(RunningMean(3.0, 2.0), Sketch({8: 3.0}), -3),
        Known(RunningMean(3.0, 2.0), Sketch({10**9: 3.0}), 3),
    ]
    model = RunTimeModel()
    ignored = model.load({"good": good} | {str(number): known for number, known in enumerate(poisoned)})
    assert list(model) == ["good"]
    assert len(ignored) == len(poisoned)
    assert all(ignored.values())


@given(SECONDS, st.integers(1, 10**9))
def test_a_prediction_survives_its_text(seconds: float, runs: int) -> None:
    given_ = Prediction(seconds * 3, seconds, seconds / 2, seconds * 2, runs, 2)
    read = Prediction.parse(given_.as_text(), 2)
    assert read[:4] == pytest.approx(given_[:4], rel=1e-3)
    assert read.runs == runs


@pytest.mark.parametrize(
    "text",
    [
        "", "1 1 2 3", "nan 1 1 2 3", "1 nan 1 2 3", "-1 1 1 2 3", "0 1 1 2 3", "1 0 0 2 3", "1 3 1 2 3", "1 1 2 3 3",
        "1 3 5 2 3", "1e300 1 1 2 3", "1 1 1 2 0", "1 1 1 2 3 4", "a b c d e",
    ],
)  # fmt: skip
def test_a_text_that_is_no_plausible_prediction_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a plausible run time"):
        Prediction.parse(text, 1)


# head starts


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_head_start_is_bounded_by_the_longest_wait(predicted: float, short: float, wait: float) -> None:
    found = head_start(predicted, short, wait)
    assert 0 <= found <= WAITS * wait + 1e-3
    assert found == 0 if wait < MIN_WAIT_SECONDS or predicted >= short else True


def test_the_shorter_a_task_the_greater_its_head_start() -> None:
    assert head_start(0.0, 10.0, 5.0) == WAITS * 5
    assert head_start(5.0, 10.0, 5.0) == WAITS * 5 / 2
    assert head_start(None, 10.0, 5.0) == 0.0


def test_tasks_below_the_short_limit_carry_their_share_of_the_work() -> None:
    draw, limit = random.Random(3), ShortLimit()
    predicted = [draw.lognormvariate(2, 1.5) for _ in range(4_000)]
    for seconds in predicted:
        limit.add(seconds)
    late = predicted[-1_000:]
    share = sum(seconds for seconds in late if seconds < limit.seconds) / sum(late)
    assert WORK_SHARE / 2 < share < WORK_SHARE * 2


def test_where_many_tasks_are_alike_the_limit_lies_above_them() -> None:
    """Four of five take 20 ms, the others 400 ms: no length tells 5 % of the work apart, but the former are short."""
    draw, limit = random.Random(2), ShortLimit()
    for _ in range(1_000):
        limit.add(draw.uniform(0.95, 1.05) * (0.02 if draw.random() < 0.8 else 0.4))
    assert 0.3 < limit.seconds < 0.4
    for _ in range(3_000):  # all alike: nobody is much shorter than the others
        limit.add(draw.uniform(0.9, 1.1))
    assert 0.85 < limit.seconds < 1.2


def test_the_watch_switches_off_what_is_not_shorter_and_on_again_what_is() -> None:
    watch = Watch()
    for _ in range(MIN_TASKS):
        assert not watch.is_on
        watch.note(1.0, was_short=True)
        watch.note(10.0, was_short=False)
    assert watch.is_on
    assert watch.ratio == pytest.approx(0.1)
    switched = [watch.note(20.0, was_short=True) for _ in range(300)]
    assert switched.count(True) == 1
    assert not watch.is_on
    switched = [watch.note(1.0, was_short=True) for _ in range(300)]
    assert switched.count(True) == 1
    assert watch.is_on


def test_the_watch_is_not_misled_by_a_few_long_tasks_among_the_others() -> None:
    """Alike but for one task of a hundred that runs a thousand times as long, and is never among those called short."""
    watch, draw = Watch(), random.Random(3)
    for number in range(3_000):
        watch.note(draw.lognormvariate(0, 1), was_short=True)
        watch.note(draw.lognormvariate(0, 1) * (1_000 if number % 100 == 0 else 1), was_short=False)
        assert not watch.is_on
    assert watch.ratio is not None
    assert watch.ratio < 0.2
    assert watch.typical_ratio == pytest.approx(1, abs=0.25)


@hypothesis.settings(max_examples=15)  # of 700 results each
@given(st.lists(st.tuples(st.floats(0, 1e9), st.booleans()), min_size=700, max_size=900))
def test_the_ratios_are_those_of_the_last_tasks_of_each_kind(noted: list[tuple[float, bool]]) -> None:
    watch = Watch()
    for seconds, was_short in noted:
        watch.note(seconds, was_short=was_short)
    kinds = [[seconds for seconds, was_short in noted if was_short is kind][-LAST:] for kind in (True, False)]
    if min(map(len, kinds)) < MIN_TASKS or sum(kinds[1]) == 0:
        assert watch.ratio is None
        return
    short, others = (sum(kind) / len(kind) for kind in kinds)
    assert watch.ratio == pytest.approx(short / others, rel=1e-3, abs=1e-3 * max(max(kind) for kind in kinds) / others)
