"""Which agent makes a second attempt, and how many there may be (pure)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.learning.keys import levels_of
from taskyard.core.learning.model import RunTimeModel
from taskyard.core.models import Lane
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.scheduling.hedging import LATE_SHARE, MIN_RUNS, agent_for, room

LANE = Lane("q", "a.b")


def agent(name: str, *, open_tasks: int = 0, types: tuple[str, ...] = ("*",), slots: int = 2) -> AgentSlots:
    return AgentSlots(f"{name}:boot", types, frozenset(), slots, open_tasks=open_tasks)


def chosen(*agents: tuple[AgentSlots, str]) -> str | None:
    found = agent_for(LANE, "one:boot", "here", agents)
    return None if found is None else found.id


def test_another_agent_with_an_idle_slot_makes_it() -> None:
    assert chosen((agent("one"), "here")) is None, "the agent itself, or another boot of it"
    assert chosen((agent("two", open_tasks=2), "there")) is None
    assert chosen((agent("two", types=("c.*",)), "there")) is None
    assert chosen((agent("two"), "here")) == "two:boot"


def test_another_host_comes_first_and_then_more_room() -> None:
    near, far, roomy = agent("near", slots=9), agent("far"), agent("roomy", slots=3)
    assert chosen((near, "here"), (far, "there")) == "far:boot"
    assert chosen((near, "here"), (far, "there"), (roomy, "there")) == "roomy:boot"


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_second_attempts_take_a_tenth_of_the_slots_or_one(slots: int, hedges: int) -> None:
    assert hedges + room(slots, hedges) in (hedges, max(1, slots // 10))


def test_what_is_late_follows_from_what_is_known() -> None:
    model, keys = RunTimeModel(), levels_of("a.b", "me", "3")
    for number in range(MIN_RUNS - 1):
        model.learn(keys, 1.0 + number / 1_000)
    assert model.late_after(keys, LATE_SHARE, MIN_RUNS) is None
    model.learn(keys, 30.0)
    late = model.late_after(keys, LATE_SHARE, MIN_RUNS)
    assert late is not None
    assert 1.0 <= late <= 31.0
    for unknown in (levels_of("c.d", "me", "3"), levels_of("a.b", "you", "3"), levels_of("a.b", "me", "9")):
        assert model.late_after(unknown, LATE_SHARE, MIN_RUNS) is None
