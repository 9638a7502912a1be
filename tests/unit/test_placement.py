"""Placement: who gets what, in which order, and how much."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskyard.core.models import Lane
from taskyard.core.scheduling.agent_slots import MAX_QUEUE_AHEAD, AgentSlots
from taskyard.core.scheduling.crews import Crews
from taskyard.core.scheduling.placement import CHOOSERS, Candidate, Rotation, place, ready_of, score, unplaceable_reason
from taskyard.core.states import HEAD_START_SECONDS, Priority
from taskyard.worker.dispatch.durations import MIN_SECONDS, UNKNOWN_SECONDS

COVER_SECONDS = 0.05
SHORT_SECONDS = 0.001
TYPES = ["code.run", "code.check", "analysis.csv"]
TAGS = ["python", "gpu"]

lanes = st.builds(
    Lane,
    st.sampled_from(["default", "reports", "nightly"]),
    st.sampled_from(TYPES),
    st.sets(st.sampled_from(TAGS)).map(lambda tags: tuple(sorted(tags))),
)
expectations = st.sampled_from([MIN_SECONDS, SHORT_SECONDS, 0.02, 1.0, UNKNOWN_SECONDS])


@st.composite
def candidate_lists(draw: st.DrawFn) -> list[Candidate]:
    drawn = draw(st.lists(st.tuples(lanes, st.integers(0, 50), expectations), max_size=40))
    return [Candidate(str(i), lane, float(place), seconds) for i, (lane, place, seconds) in enumerate(drawn)]


@st.composite
def agent_lists(draw: st.DrawFn) -> list[AgentSlots]:
    agents = []
    for number in range(draw(st.integers(0, 4))):
        agent = AgentSlots(
            id=f"agent-{number}",
            types=tuple(draw(st.sets(st.sampled_from([*TYPES, "code.*", "*"]), min_size=1))),
            tags=frozenset(draw(st.sets(st.sampled_from(TAGS)))),
            max_concurrency=draw(st.integers(1, 4)),
            accepts_work=draw(st.booleans()) or draw(st.booleans()),
        )
        for seconds in draw(st.lists(expectations, max_size=5)):
            agent.give(seconds)
        agents.append(agent)
    return agents


def agent(name: str = "a", max_concurrency: int = 3, **fields: object) -> AgentSlots:
    return AgentSlots(name, ("*",), frozenset(), max_concurrency, **fields)  # type: ignore[arg-type]


def candidates(count: int, seconds: float = SHORT_SECONDS, queue: str = "default") -> list[Candidate]:
    return [Candidate(f"{queue}-{i}", Lane(queue, "code.run"), float(i), seconds) for i in range(count)]


# a busy machine is no fault of what is tested
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@unhurried
@given(candidate_lists(), agent_lists(), st.sampled_from(sorted(CHOOSERS)), st.integers(0, 5), st.integers(0, 5))
def test_what_is_placed_fits(
    waiting: list[Candidate], agents: list[AgentSlots], policy: str, next_agent: int, next_queue: int
) -> None:
    before = {
        a.id: AgentSlots(a.id, a.types, a.tags, a.max_concurrency, open_tasks=a.open_tasks, open_seconds=a.open_seconds)
        for a in agents
    }
    placed = place(waiting, Crews(agents), lambda queue: policy, Rotation(next_agent, next_queue), COVER_SECONDS)

    ids = [candidate.id for candidate, _ in placed]
    assert len(ids) == len(set(ids))
    assert {candidate for candidate, _ in placed} <= set(waiting)
    for candidate, chosen in placed:
        assert chosen.accepts_work
        assert chosen.can_take(candidate.lane)
        replayed = before[chosen.id]
        assert replayed.has_room(COVER_SECONDS)
        replayed.give(candidate.expected_seconds)
    for a in agents:
        assert (a.open_tasks, a.open_seconds) == (before[a.id].open_tasks, before[a.id].open_seconds)


@unhurried
@given(candidate_lists(), agent_lists(), st.sampled_from(sorted(CHOOSERS)))
def test_nothing_waits_that_an_agent_has_room_for(
    waiting: list[Candidate], agents: list[AgentSlots], policy: str
) -> None:
    placed = place(waiting, Crews(agents), lambda queue: policy, Rotation(), COVER_SECONDS)
    left = set(waiting) - {candidate for candidate, _ in placed}
    for candidate in left:
        for a in agents:
            assert not (a.accepts_work and a.can_take(candidate.lane) and a.has_room(COVER_SECONDS))


@unhurried
@given(candidate_lists(), agent_lists(), st.sampled_from(sorted(CHOOSERS)), st.integers(0, 5))
def test_within_a_lane_the_lowest_score_goes_first(
    waiting: list[Candidate], agents: list[AgentSlots], policy: str, next_queue: int
) -> None:
    placed = place(waiting, Crews(agents), lambda queue: policy, Rotation(0, next_queue), COVER_SECONDS)
    for queue in {candidate.lane.queue for candidate, _ in placed}:
        scores = [candidate.score for candidate, _ in placed if candidate.lane.queue == queue]
        assert scores == sorted(scores)
    chosen = {candidate for candidate, _ in placed}
    for lane in {candidate.lane for candidate in waiting}:
        mine = [candidate for candidate in waiting if candidate.lane == lane]
        taken = [candidate.score for candidate in mine if candidate in chosen]
        left = [candidate.score for candidate in mine if candidate not in chosen]
        assert not taken or not left or max(taken) <= min(left)


@given(st.integers(1, 8), st.integers(0, 40))
def test_a_long_type_is_never_queued_behind(max_concurrency: int, count: int) -> None:
    mine = agent(max_concurrency=max_concurrency)
    placed = place(
        candidates(count, UNKNOWN_SECONDS), Crews([mine]), lambda queue: "least_loaded", Rotation(), COVER_SECONDS
    )
    assert len(placed) == min(count, max_concurrency)
    assert not mine.has_room(COVER_SECONDS) or count < max_concurrency
    assert mine.free(UNKNOWN_SECONDS, COVER_SECONDS) == max_concurrency - len(placed)


@pytest.mark.parametrize("seconds", [SHORT_SECONDS, 0.002, 0.01])
def test_a_short_type_is_queued_ahead_up_to_the_cover(seconds: float) -> None:
    mine = agent(max_concurrency=2)
    room = mine.free(seconds, COVER_SECONDS)
    placed = place(candidates(1000, seconds), Crews([mine]), lambda queue: "least_loaded", Rotation(), COVER_SECONDS)
    assert room == int(COVER_SECONDS * 2 / seconds)
    assert room <= len(placed) <= room + 1
    assert mine.open_seconds <= COVER_SECONDS * 2 + seconds * 1.001


def test_queueing_ahead_has_an_end() -> None:
    mine = agent()
    place(candidates(2000, MIN_SECONDS), Crews([mine]), lambda queue: "least_loaded", Rotation(), 1.0)
    assert mine.open_tasks == MAX_QUEUE_AHEAD
    assert mine.free(MIN_SECONDS, 1.0) == 0


def test_more_slots_than_the_limit_ahead_are_all_used() -> None:
    mine = agent(max_concurrency=1000)
    assert mine.free(UNKNOWN_SECONDS, COVER_SECONDS) == 1000
    assert (
        len(place(candidates(1200, 3600.0), Crews([mine]), lambda queue: "priority", Rotation(), COVER_SECONDS)) == 1000
    )


@given(st.lists(expectations, min_size=1, max_size=50), st.randoms())
def test_taking_everything_back_leaves_nothing(given_seconds: list[float], random: object) -> None:
    mine = agent()
    for seconds in given_seconds:
        mine.give(seconds)
    random.shuffle(given_seconds)  # type: ignore[attr-defined]
    for seconds in given_seconds:
        mine.take_back(seconds)
        assert mine.open_seconds >= 0
    assert (mine.open_tasks, mine.open_seconds) == (0, 0.0)


def test_queues_take_turns() -> None:
    waiting = candidates(50, queue="crowded") + candidates(3, queue="small") + candidates(3, queue="tiny")
    placed = place(waiting, Crews([agent(max_concurrency=9)]), lambda queue: "priority", Rotation(), 0.0)
    assert Counter(candidate.lane.queue for candidate, _ in placed) == {"crowded": 3, "small": 3, "tiny": 3}


def test_every_queue_is_first_in_turn() -> None:
    rotation = Rotation()
    firsts = []
    for _ in range(6):
        waiting = candidates(5, queue="a") + candidates(5, queue="b") + candidates(5, queue="c")
        [(candidate, _)] = place(waiting, Crews([agent(max_concurrency=1)]), lambda queue: "priority", rotation, -1.0)
        firsts.append(candidate.lane.queue)
    assert Counter(firsts) == {"a": 2, "b": 2, "c": 2}


@pytest.mark.parametrize("agents", [1, 2, 3, 5])
def test_round_robin_spreads_evenly(agents: int) -> None:
    pool = [agent(f"a{number}", max_concurrency=100) for number in range(agents)]
    crews, rotation = Crews(pool), Rotation()
    for _ in range(4):  # also over several ticks
        place(candidates(agents * 3), crews, lambda queue: "round_robin", rotation, COVER_SECONDS)
    assert [a.open_tasks for a in pool] == [12] * agents


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5)), min_size=1, max_size=6))
def test_least_loaded_takes_the_least_loaded(drawn: list[tuple[int, int]]) -> None:
    pool = [agent(f"a{i}", maximum, open_tasks=min(taken, maximum)) for i, (maximum, taken) in enumerate(drawn)]
    loads = {a.id: a.open_tasks / a.max_concurrency for a in pool}
    has_room = [loads[a.id] for a in pool if a.open_tasks < a.max_concurrency]
    placed = place(candidates(1), Crews(pool), lambda queue: "least_loaded", Rotation(), -1.0)
    assert [loads[chosen.id] for _, chosen in placed] == ([min(has_room)] if has_room else [])


def test_each_queue_has_its_own_policy() -> None:
    pool = [agent("a", 10, open_tasks=5), agent("b", 10)]
    waiting = candidates(2, queue="even")
    place(waiting, Crews(pool), {"even": "round_robin"}.__getitem__, Rotation(), COVER_SECONDS)
    assert [a.open_tasks for a in pool] == [6, 1]


@given(st.floats(1.5e9, 2.5e9), st.floats(0, 30 * 365 * 86400), st.sampled_from(Priority), st.sampled_from(Priority))
def test_a_strict_queue_knows_no_age(ready: float, younger_by: float, one: Priority, other: Priority) -> None:
    older, younger = score(ready, one, "priority"), score(ready + younger_by, other, "priority")
    if other > one:
        assert younger < older
    elif other < one or younger_by > 0.001:
        assert older < younger or older == younger == ready


@pytest.mark.parametrize("policy", ["least_loaded", "round_robin"])
def test_age_overtakes_priority_in_other_queues(policy: str) -> None:
    now = 1.8e9
    for lower, higher in pairwise(sorted(Priority)):
        head_start = HEAD_START_SECONDS[higher] - HEAD_START_SECONDS[lower]
        assert score(now, higher, policy) < score(now, lower, policy)
        assert score(now + head_start - 1, higher, policy) < score(now, lower, policy)
        assert score(now + head_start + 1, higher, policy) > score(now, lower, policy)


def test_why_a_lane_is_stuck() -> None:
    coder = AgentSlots("coder", ("code.*",), frozenset({"python", "linux"}), 3)
    analyst = AgentSlots("analyst", ("analysis.*", "code.run"), frozenset({"pandas"}), 3)
    lane = Lane("default", "code.run", ("gpu", "python"))

    assert unplaceable_reason(lane, []) == "no agent is registered"
    assert unplaceable_reason(Lane("default", "image.scale"), [coder]) == "no registered agent takes type image.scale"
    assert unplaceable_reason(lane, [analyst, coder]) == (
        "no agent for type code.run has tag gpu, python (closest one is missing gpu)"
    )
    assert unplaceable_reason(Lane("default", "code.run", ("python",)), [analyst, coder]) is None


def test_a_busy_or_leaving_agent_is_no_reason() -> None:
    full = agent(max_concurrency=1, open_tasks=1, accepts_work=False)
    assert unplaceable_reason(Lane("default", "code.run"), iter([full])) is None


@given(st.floats(0, 4e9), st.sampled_from(list(Priority)), st.sampled_from(["least_loaded", "priority"]))
def test_readiness_is_found_again_in_the_score(ready: float, priority: Priority, policy: str) -> None:
    assert ready_of(score(ready, priority, policy), priority, policy) == pytest.approx(ready, abs=1e-5)
