"""When an agent's circuit breaker opens, lets a probe through and closes."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.i18n import TranslatableText
from taskyard.core.message_templates import identity
from taskyard.core.models import Lane
from taskyard.core.scheduling.breaker import (
    FAILURES,
    MAX_OPEN_SECONDS,
    OPEN_SECONDS,
    WINDOW_SECONDS,
    Breakers,
    breaker_reason,
)
from taskyard.core.scheduling.placement import Candidate, Rotation, place
from taskyard.core.telemetry.live_snapshot import OpenBreaker
from taskyard.worker.dispatch.durations import Durations
from taskyard.worker.dispatch.leader_state import LeaderState
from tests.unit.leader_state_support import claimed, give, info

TYPE = "demo.work"


def note(breakers: Breakers, agent: str, errors: list[str | None], now: float = 0.0) -> None:
    for position, error in enumerate(errors):
        breakers.note(agent, TYPE, error, f"task-{agent}-{position}", now)


def failing(others: list[str | None], error: str = "crashed") -> Breakers:
    """A type that is watched, with outcomes of another agent, and an agent that fails often enough."""
    breakers = Breakers()
    note(breakers, "bad", [error])
    note(breakers, "good", others)
    note(breakers, "bad", [error] * (FAILURES - 1))
    return breakers


def test_opens_when_others_succeed() -> None:
    breakers = failing([None] * 5)
    [breaker] = breakers.of_agent("bad")
    assert breaker.reason == "its last 5 attempts failed (crashed), while 5 of 5 by other agents succeeded"
    assert breakers.of_agent("good") == []


def test_the_reason_goes_with_an_id_and_numbers() -> None:
    [breaker] = failing([None] * 5).of_agent("bad")
    reason_id, parameters = identity(breaker.reason)

    again = breaker_reason(str(breaker.reason), reason_id, parameters)

    assert reason_id == "breaker.failing"
    assert parameters == {"failures": 5, "classes": "crashed", "successes": 5, "others": 5}
    assert isinstance(again, TranslatableText)
    assert again == breaker.reason


class OldBreaker(msgspec.Struct):
    """As releases before the ids wrote and read it."""

    type: str
    state: str
    reason: str
    since: float
    retry_at: float | None


def test_a_leader_and_a_viewer_of_other_releases_read_each_other() -> None:
    old = OldBreaker("demo.work", "open", "its last 5 attempts failed", 1.0, 2.0)
    read = msgspec.convert(msgspec.to_builtins(old), OpenBreaker)
    text = breaker_reason(read.reason, read.reason_id, read.reason_parameters)
    assert text == old.reason
    assert not isinstance(text, TranslatableText)
    new = OpenBreaker("demo.work", "open", old.reason, 1.0, 2.0, "breaker.failing", {"failures": 5})
    assert msgspec.convert(msgspec.to_builtins(new), OldBreaker) == old


def test_stays_closed_when_others_fail_too() -> None:
    assert failing([None, "crashed", "transient", "crashed"]).open == {}


def test_stays_closed_without_others() -> None:
    assert failing([]).open == {}


def test_one_bad_task_is_not_the_agent_s_fault() -> None:
    breakers = Breakers()
    breakers.note("bad", TYPE, "crashed", "poison", 0.0)
    note(breakers, "good", [None] * 5)
    for _ in range(20):
        breakers.note("bad", TYPE, "crashed", "poison", 0.0)
    assert breakers.open == {}


def test_what_the_agent_cannot_help_does_not_count() -> None:
    assert failing([None] * 5, "invalid_input").open == {}
    assert failing([None] * 5, "cancelled").open == {}


def test_old_failures_do_not_count() -> None:
    breakers = Breakers()
    note(breakers, "bad", ["crashed"] * (FAILURES - 1))
    note(breakers, "good", [None] * 5, WINDOW_SECONDS + 1)
    note(breakers, "bad", ["crashed"], WINDOW_SECONDS + 1)
    assert breakers.open == {}
    breakers.forget_old(3 * WINDOW_SECONDS)
    assert breakers._recent == {}


def test_success_of_a_probe_closes_and_a_failure_waits_longer() -> None:
    breakers = failing([None] * 5)
    [breaker] = breakers.of_agent("bad")
    assert breaker.retry_at == OPEN_SECONDS
    breakers.note("bad", TYPE, "crashed", "given before", 1.0)
    assert breaker.retry_at == OPEN_SECONDS
    waits = []
    for _ in range(8):
        now, breaker.is_probing = breaker.retry_at, True
        assert breakers.note("bad", TYPE, "crashed", "probe", now) is None
        waits.append(breaker.retry_at - now)
    assert waits == [60, 120, 240, 480, *[MAX_OPEN_SECONDS] * 4]
    assert breakers.note("bad", TYPE, None, "probe", breaker.retry_at) is breaker
    assert breakers.open == {}
    assert breakers.note("bad", TYPE, "crashed", "later", breaker.retry_at) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "crashed", "transient"])), max_size=60))
def test_never_opens_for_all(outcomes: list[tuple[str, str | None]]) -> None:
    """Whatever happens, an agent is only barred while another one has more successes than failures."""
    breakers = Breakers()
    for position, (agent, error) in enumerate(outcomes):
        opened = breakers.note(agent, TYPE, error, f"task-{position}", float(position))
        if opened is not None and (agent, TYPE) in breakers.open:
            others = [e for a, e in outcomes[:position] if a != agent]
            assert others.count(None) >= 3
            assert error is not None


# placement


def ledger_with_open_breaker() -> LeaderState:
    leader_state = LeaderState(Durations({TYPE: 1.0}), failing([None] * 5))
    leader_state.add_agent(info("bad:1"))
    leader_state.add_agent(info("good:1"))
    return leader_state


def placed_on(leader_state: LeaderState, count: int) -> list[str]:
    lane = Lane("default", TYPE)
    candidates = [Candidate(f"task-{number}", lane, 0.0, 1.0) for number in range(count)]
    placed = place(candidates, leader_state.crews, lambda queue: "least_loaded", Rotation(), 0.01)
    return [slots.id for _, slots in placed]


def test_an_open_breaker_takes_the_agent_out_for_this_type_only() -> None:
    leader_state = ledger_with_open_breaker()
    assert placed_on(leader_state, 4) == ["good:1"] * 3
    assert leader_state.agents["bad:1"].slots.is_let_in(Lane("default", "demo.other"))
    leader_state.hot_lanes.update([Lane("default", TYPE), Lane("default", "demo.other")])
    leader_state.agents["good:1"].slots.take_back(1.0)
    assert leader_state.wanted(0.01, 100, 1_000)[Lane("default", TYPE)] == 1


def test_exactly_one_probe_is_let_through() -> None:
    leader_state = ledger_with_open_breaker()
    leader_state.send_probes(OPEN_SECONDS - 1)
    assert "bad:1" not in placed_on(leader_state, 6)
    leader_state.send_probes(OPEN_SECONDS)
    assert placed_on(leader_state, 6) == ["bad:1"]
    assert placed_on(leader_state, 6) == []


def test_no_second_probe_while_the_first_runs() -> None:
    leader_state = ledger_with_open_breaker()
    leader_state.send_probes(OPEN_SECONDS)
    claim = give(leader_state, claimed(1, agent_id="bad:1"))
    leader_state.agents["bad:1"].slots.use_probe(TYPE)
    leader_state.send_probes(OPEN_SECONDS + 1)
    assert leader_state.agents["bad:1"].slots.probes == set()
    leader_state.close(claim)  # handed back: it said nothing about the agent
    leader_state.send_probes(OPEN_SECONDS + 2)
    assert leader_state.agents["bad:1"].slots.probes == {TYPE}


def test_closing_lets_it_in_again_and_a_new_boot_inherits() -> None:
    leader_state = ledger_with_open_breaker()
    leader_state.add_agent(info("bad:2"))
    assert leader_state.agents["bad:2"].slots.barred == {TYPE}
    claim = give(leader_state, claimed(1, agent_id="bad:1"))
    breaker = leader_state.note_outcome(claim, None, 1.0)
    assert breaker is not None
    assert [agent.slots.barred for agent in leader_state.agents.values()] == [set()] * 3
