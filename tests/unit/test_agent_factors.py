"""What is learned of agents: who is slow at what, who fails, whether they differ at all, and which task each gets."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.learning.differences import MAX_Z_SQUARED, MIN_PAIRS, Differences
from taskyard.core.learning.factors import ALL, ATTEMPTS, MAX_LOG, MEMORY, AgentFactors, Factor
from taskyard.core.learning.matching import CANDIDATES, MAX_PASSED, MIN_GAIN, best_place

NAMES = [f"agent-{number}" for number in range(6)]
TYPES = ["a.b", "a.c", "d.e"]


def learned(
    slowness: dict[tuple[str, str], float], runs: int, *, seed: int = 1, spread: float = 1.0, success: float = 1.0
) -> AgentFactors:
    """Factors after runs that take as long as predicted but for the agents' slowness, and lognormal chance."""
    draw, factors = random.Random(seed), AgentFactors()
    for _ in range(runs):
        agent, type_ = draw.choice(NAMES), draw.choice(TYPES)
        if draw.random() > success:
            factors.note_failure(agent, type_)
        else:
            log = slowness.get((agent, type_), 0.0) + draw.gauss(0, spread)
            factors.note_success(agent, type_, 10 * math.exp(log), 10.0)
    return factors


# speed


def test_who_is_slow_at_a_type_is_found_whatever_the_predictions_are_worth() -> None:
    """One agent takes twice as long for one type, another half as long for all; predictions are ten times too high."""
    true = {("agent-1", "a.c"): math.log(2)} | {("agent-2", type_): -math.log(2) for type_ in TYPES}
    factors = AgentFactors()
    draw = random.Random(3)
    for _ in range(8_000):
        agent, type_ = draw.choice(NAMES), draw.choice(TYPES)
        seconds = math.exp(true.get((agent, type_), 0.0) + draw.gauss(0, 1.0))
        factors.note_success(agent, type_, seconds, 10.0)
    assert factors.speeds.are_real
    found = {(agent, type_): factors.slowness(agent, type_) for agent in NAMES for type_ in TYPES}
    assert max(found, key=lambda pair: found[pair]) == ("agent-1", "a.c")
    assert found["agent-1", "a.c"] == pytest.approx(math.log(2), abs=0.35)
    assert all(found["agent-2", type_] < -0.3 for type_ in TYPES)
    others = [value for pair, value in found.items() if pair not in true]
    assert max(map(abs, others)) < 0.35


@pytest.mark.parametrize("seed", range(5))
def test_equal_agents_have_no_handicap(seed: int) -> None:
    factors = learned({}, 4_000, seed=seed, spread=1.5, success=0.9)
    assert not factors.are_different
    assert {factors.handicap(agent, type_) for agent in NAMES for type_ in TYPES} == {0.0}


def test_little_evidence_counts_little_and_an_agents_other_types_stand_in() -> None:
    slow = {("agent-3", type_): 1.0 for type_ in TYPES[:2]}
    factors = learned(slow, 3_000, spread=0.5)
    before = factors.slowness("agent-3", "new.type")
    assert 0.2 < before < 1.0  # as an agent; of the type nothing is known
    factors.note_success("agent-3", "d.e", 1.0, 10.0)
    assert abs(factors.slowness("agent-3", "d.e") - factors.slowness("agent-3", "new.type")) < 0.5
    assert factors.slowness("nobody", "a.b") == 0.0


def test_a_change_is_followed_within_the_memory() -> None:
    factors = AgentFactors()
    draw = random.Random(5)
    for slow in ("agent-0", "agent-1"):
        for _ in range(int(6 * MEMORY * 6)):
            agent = draw.choice(NAMES)
            log = (agent == slow) * 1.0 + draw.gauss(0, 0.7)
            factors.note_success(agent, "a.b", math.exp(log), 1.0)
        assert max(NAMES, key=lambda agent: factors.slowness(agent, "a.b")) == slow


@given(st.floats(), st.one_of(st.none(), st.floats()))
def test_run_times_that_are_none_are_ignored_and_huge_ones_say_little(seconds: float, predicted: float | None) -> None:
    factors = learned({}, 100)
    factors.note_success("agent-0", "a.b", seconds, predicted)
    assert all(math.isfinite(factors.slowness(agent, type_)) for agent in NAMES for type_ in TYPES)
    for key in factors:
        factor = factors.of_key(*key)
        assert factor is not None
        assert factor.problem() is None
        assert abs(factor.log_ratio) <= 2 * MAX_LOG


# success


def test_who_fails_a_type_more_often_gets_a_handicap_that_grows_with_the_evidence() -> None:
    factors, handicaps = AgentFactors(), []
    draw = random.Random(2)
    for _ in range(600):
        for agent in NAMES:
            if agent == "agent-4" and draw.random() < 0.5:
                factors.note_failure(agent, "a.b")
            else:
                factors.note_success(agent, "a.b", 1.0, 1.0)
        handicaps.append(factors.handicap("agent-4", "a.b"))
    assert factors.successes.are_real
    assert handicaps[2] == 0.0  # three attempts say nothing
    assert handicaps[-1] == pytest.approx(math.log(1 / 0.54), abs=0.15)
    assert factors.handicap("agent-1", "a.b") < 0.0
    assert factors.handicap("agent-4", "a.c") == pytest.approx(0.0)  # another type


def test_a_success_rate_is_drawn_towards_that_of_the_type() -> None:
    factors = learned({}, 2_000, success=0.8)
    for _ in range(10):
        factors.note_failure("new", "a.b")
    of_type = factors.success("nobody", "a.b")
    assert factors.success("new", "a.b") == pytest.approx(ATTEMPTS * of_type / (10 + ATTEMPTS))
    assert AgentFactors().success("a", "b") == 0.5


def test_agents_that_fail_at_a_type_equally_often_are_equal() -> None:
    factors = learned({}, 6_000, success=0.3)
    assert factors.handicap("agent-0", "a.b") == 0.0


# differences


def test_differences_need_evidence_and_stay_while_there_is_some() -> None:
    differences = Differences()
    differences.note("a", MAX_Z_SQUARED)
    assert not differences.are_real
    assert differences.mean is None
    for z_squared, is_real in ((2.0, False), (2.5, False), (3.0, True), (2.5, True), (1.8, False), (2.5, False)):
        for pair in "abcdefghij":
            differences.note(pair, z_squared)
        assert differences.are_real == is_real
        assert differences.mean == pytest.approx(z_squared)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1e9), st.booleans())))
def test_their_mean_is_that_of_the_last_values(notes: list[tuple[int, float, bool]]) -> None:
    differences, last = Differences(), {}
    for pair, value, is_dropped in notes:
        if is_dropped:
            differences.drop(pair)
            last.pop(pair, None)
        else:
            differences.note(pair, value)
            last[pair] = min(value, MAX_Z_SQUARED)
    if len(last) >= MIN_PAIRS:
        assert differences.mean == pytest.approx(sum(last.values()) / len(last), abs=1e-6)
    else:
        assert not differences.are_real


def test_chance_alone_is_hardly_ever_taken_for_a_difference() -> None:
    draw, seen = random.Random(1), 0
    for _ in range(500):
        differences = Differences()
        for pair in range(draw.choice((2, 6, 20, 100))):
            differences.note(pair, draw.gauss(0, 1) ** 2)
        seen += differences.are_real
    assert seen <= 10


# storage


def test_what_was_stored_is_known_again() -> None:
    factors = learned({("agent-1", "a.c"): 1.0}, 3_000, success=0.9)
    stored = factors.take_changed()
    assert set(stored) == set(factors)
    assert factors.take_changed() == {}
    factors.note_failure("agent-1", "a.c")
    assert set(factors.take_changed()) == {("agent-1", ALL), (ALL, "a.c"), ("agent-1", "a.c")}
    again = AgentFactors()
    assert again.load(stored) == {}
    assert again.take_changed() == {}
    assert again.speeds.are_real
    assert again.handicap("agent-1", "a.c") == pytest.approx(factors.handicap("agent-1", "a.c"), abs=0.05)


@pytest.mark.parametrize(
    "broken",
    [
        Factor(runs=math.nan),
        Factor(runs=-1.0),
        Factor(runs=MEMORY + 1),
        Factor(log_ratio=math.inf),
        Factor(variance=-1.0),
        Factor(variance=math.nan),
        Factor(attempts=1e9),
        Factor(success=1.5),
        Factor(success=math.nan),
    ],
)
def test_stored_factors_that_make_no_sense_are_ignored(broken: Factor) -> None:
    factors = AgentFactors()
    assert set(factors.load({("x", "a.b"): broken, ("y", "a.b"): Factor()})) == {("x", "a.b")}
    assert factors.of_key("x", "a.b") is None
    assert math.isfinite(factors.handicap("x", "a.b"))


def test_memory_is_bounded_and_what_learned_longest_ago_goes_first() -> None:
    factors = AgentFactors(max_pairs=50)
    for number in range(500):
        factors.note_success(f"pod-{number}", "a.b", 1.0, 1.0)
        factors.note_success("agent-0", "a.b", 1.0, 1.0)
        factors.handicap(f"pod-{number}", "a.b")
        assert len(factors) <= 2 * 50 + 1
    assert factors.of_key("agent-0", "a.b") is not None
    assert factors.of_key("pod-499", "a.b") is not None
    assert factors.of_key("pod-0", "a.b") is None
    assert {("pod-0", "a.b"), ("pod-0", ALL)} <= factors.forgotten
    assert set(factors.take_changed()) <= set(factors)


# the choice


def test_the_task_with_the_least_handicap_is_taken_of_several_the_first() -> None:
    assert best_place([0.3, -0.1, 0.2, -0.1], [0, 0, 0, 0]) == 1
    assert best_place([0.0] * CANDIDATES, [0] * CANDIDATES) == 0
    assert best_place([5.0, 0.1], [3, 0]) == 1


def test_a_task_that_was_passed_over_often_enough_goes_first() -> None:
    assert best_place([-1.0, 0.3, 0.2], [0, MAX_PASSED, MAX_PASSED]) == 1


@given(st.integers(0, 10**6))
def test_no_task_is_passed_over_for_ever(seed: int) -> None:
    """Twenty wait, and for each that is taken another comes; nobody likes the first one."""
    draw = random.Random(seed)
    handicaps = [9.0] + [draw.random() for _ in range(CANDIDATES - 1)]
    passed = [0] * CANDIDATES
    taken: Counter[bool] = Counter()
    while handicaps[0] == 9.0:
        place = best_place(handicaps, passed)
        for before in range(place):
            passed[before] += 1
        taken[place == 0] += 1
        del handicaps[place], passed[place]
        handicaps.append(draw.random())
        passed.append(0)
    assert taken == {False: MAX_PASSED, True: 1}


def test_a_difference_that_hardly_matters_changes_no_order() -> None:
    """Agents of one speed, whose run times vary by less than they differ: real, and not worth a change."""
    assert best_place([0.01, -0.01], [0, 0]) == 0
    assert best_place([0.01, 0.01 - MIN_GAIN], [0, 0]) == 1
    factors = AgentFactors()
    for _ in range(200):
        for agent, seconds in (("a", 0.0201), ("b", 0.0203)):
            factors.note_success(agent, "short", seconds, 0.02)
            factors.note_success(agent, "long", 0.4, 0.4)
    assert factors.best_agent(["b", "a"], "short") == 0
