"""The leader's memory: claims, agents' room, what to look for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.models import Lane
from taskyard.core.postgres.store.recovery import OpenClaim
from taskyard.worker.dispatch.durations import MIN_SECONDS, UNKNOWN_SECONDS, Durations
from taskyard.worker.dispatch.leader_state import LeaderState
from tests.unit.leader_state_support import claimed, give, info, task_id

COVER_SECONDS = 0.05
LIMIT_BYTES = 1 << 20
WORK = Lane("default", "demo.work")


@pytest.fixture
def leader_state() -> LeaderState:
    return LeaderState(Durations())


def open_claim(number: int, agent_id: str, started_at: float | None = None) -> OpenClaim:
    return OpenClaim(claimed(number, 2, agent_id), 0.0, started_at)


def test_a_claim_takes_room_until_it_is_closed(leader_state: LeaderState) -> None:
    agent = leader_state.add_agent(info())
    claim = give(leader_state, claimed(1))
    assert leader_state.find(task_id(1), 1) is claim
    assert leader_state.claims_of("coder-1:a") == [claim]
    assert (agent.slots.open_tasks, agent.slots.open_seconds) == (1, 1.0)
    leader_state.close(claim)
    leader_state.close(claim)
    assert leader_state.find(task_id(1), 1) is None
    assert (agent.slots.open_tasks, agent.slots.open_seconds) == (0, 0.0)


def test_only_the_current_attempt_is_found(leader_state: LeaderState) -> None:
    leader_state.add_agent(info())
    first = give(leader_state, claimed(1, attempt=1))
    second = give(leader_state, claimed(1, attempt=2))
    assert leader_state.find(task_id(1), 1) is None
    assert leader_state.find(task_id(1), 2) is second
    leader_state.close(first)
    assert leader_state.find(task_id(1), 2) is second


def test_a_takeover_knows_what_runs_since_when(leader_state: LeaderState) -> None:
    rows = [open_claim(1, "coder-1:a"), open_claim(2, "coder-1:a", 1_000.0), open_claim(3, "coder-1:a", 5_000.0)]
    leader_state.load(rows, now=50.0, database_now=1_030.0)
    waiting, running, from_the_future = (leader_state.claims[task_id(number)] for number in (1, 2, 3))
    assert (waiting.started, waiting.started_at) == (None, None)
    assert (running.started, running.started_at) == (20.0, 1_000.0)
    assert from_the_future.started == 50.0
    assert all(claim.is_published for claim in leader_state.claims.values())
    assert (running.attempt, running.row.refunded, running.row.refunds, running.row.max_attempts) == (2, 0, 0, 3)


def test_a_known_agent_is_charged_for_what_it_has(leader_state: LeaderState) -> None:
    leader_state.load([open_claim(1, "coder-1:a"), open_claim(2, "coder-1:a"), open_claim(3, "coder-2:b")], 0.0, 0.0)
    agent = leader_state.add_agent(info("coder-1:a"))
    assert agent.slots.open_tasks == 2
    for claim in leader_state.claims_of("coder-1:a"):
        leader_state.close(claim)
    assert (agent.slots.open_tasks, agent.slots.open_seconds) == (0, 0.0)


def test_a_claim_of_an_agent_that_left_can_be_closed(leader_state: LeaderState) -> None:
    leader_state.add_agent(info())
    claim = give(leader_state, claimed(1))
    leader_state.remove_agent("coder-1:a")
    assert "coder-1:a" in leader_state.ended
    leader_state.close(claim)
    assert not leader_state.claims


def test_an_unknown_type_counts_as_long() -> None:
    durations = Durations()
    assert durations.expected("demo.work") == UNKNOWN_SECONDS
    durations.note("demo.work", 0.0)
    assert durations.expected("demo.work") == MIN_SECONDS
    assert durations.expected("demo.other") == UNKNOWN_SECONDS


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=100))
def test_a_mean_stays_between_least_and_most(runs: list[float]) -> None:
    durations = Durations()
    for seconds in runs:
        durations.note("demo.work", seconds)
    mean = durations.expected("demo.work")
    assert min(runs) + MIN_SECONDS - 1e-9 <= mean <= max(runs) + MIN_SECONDS + 1e-9


def test_a_mean_follows_a_change() -> None:
    durations = Durations()
    durations.note("demo.work", 0.001)
    for _ in range(100):
        durations.note("demo.work", 10.0)
    assert 9.9 < durations.expected("demo.work") <= 10.1


def test_only_hot_lanes_that_an_agent_can_take_are_wanted(leader_state: LeaderState) -> None:
    stuck = Lane("default", "image.scale")
    tagged = Lane("default", "demo.work", ("gpu",))
    leader_state.add_agent(info(types=["demo.*"]))
    assert leader_state.wanted(COVER_SECONDS, 100, LIMIT_BYTES) == {}
    leader_state.hot_lanes.update({WORK, stuck, tagged})
    assert leader_state.wanted(COVER_SECONDS, 100, LIMIT_BYTES) == {WORK: 3}


def test_as_much_is_wanted_as_there_is_room_for(leader_state: LeaderState) -> None:
    leader_state.add_agent(info("coder-1:a"))
    leader_state.add_agent(info("coder-2:a", max_concurrency=5))
    leader_state.hot_lanes.add(WORK)
    assert leader_state.wanted(COVER_SECONDS, 100, LIMIT_BYTES) == {WORK: 8}
    assert leader_state.wanted(COVER_SECONDS, 2, LIMIT_BYTES) == {WORK: 2}
    leader_state.agents["coder-2:a"].slots.accepts_work = False
    assert leader_state.wanted(COVER_SECONDS, 100, LIMIT_BYTES) == {WORK: 3}
    for number in range(3):
        give(leader_state, claimed(number))
    assert leader_state.wanted(COVER_SECONDS, 100, LIMIT_BYTES) == {}


def test_ids_that_are_being_claimed_are_looked_past(leader_state: LeaderState) -> None:
    leader_state.add_agent(info())
    leader_state.hot_lanes.add(WORK)
    leader_state.claiming = {task_id(1): WORK, task_id(2): WORK, task_id(3): Lane("other", "demo.work")}
    assert leader_state.wanted(COVER_SECONDS, 100, LIMIT_BYTES) == {WORK: 5}
