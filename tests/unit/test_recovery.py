"""The leader's second look: what counts as lost, and when."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from taskyard.core.protocol import Cancel, Drain, Heartbeat
from taskyard.core.redis.roster import EVERYBODY, Turn
from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode, Holds
from taskyard.core.task_types.registry import RetryPolicy
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.durations import Durations
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.recovery import (
    AGENTS_AT_ONCE,
    DEAF_AFTER_SECONDS,
    OVERDUE_GRACE_SECONDS,
    Recovery,
)
from taskyard.worker.dispatch.suspects import position
from tests.unit.leader_state_support import TTL_SECONDS, claimed, give, heartbeat, info, roster, task_id

AGENT = "coder-1:a"
GENERATION = "run:mark"


class Watch:
    """A recovery that looks at rosters second by second."""

    def __init__(self) -> None:
        self.leader_state = LeaderState(Durations())
        self.recovery = Recovery(self.leader_state, lambda name: RetryPolicy(), TTL_SECONDS)
        self.now = 100.0
        self.beats = 0

    def look(
        self,
        *beats: Heartbeat,
        tail: str = "0-0",
        inbox_tail: str = "0-0",
        canary: bool = True,
        are_renewed: bool = True,
    ) -> Batch:
        """Reads one roster, with all results read up to its tail; a second passes."""
        batch = Batch()
        self.beats += are_renewed
        for beat in beats:
            beat.number = self.beats
        read = roster(*beats, tail=tail, inbox_tail=inbox_tail, canary_lives=canary)
        self.recovery.inspect(read, GENERATION, self.now, batch)
        self.recovery.conclude(tail.encode(), batch)
        self.now += 1
        return batch

    def give(self, number: int = 1, attempt: int = 1) -> Claim:
        if AGENT not in self.leader_state.agents:
            self.leader_state.add_agent(info())
        return give(self.leader_state, claimed(number, attempt))


@pytest.fixture
def watch() -> Watch:
    return Watch()


def reasons(batch: Batch) -> list[str]:
    return [settlement.event for settlement in batch.settlements]


def test_an_agent_is_learnt_from_its_heartbeat(watch: Watch) -> None:
    batch = watch.look(heartbeat())
    assert [agent.id for agent in batch.arrivals] == [AGENT]
    assert watch.look(heartbeat()).arrivals == []
    assert watch.leader_state.agents[AGENT].slots.accepts_work
    watch.look(heartbeat(draining=True))
    assert not watch.leader_state.agents[AGENT].slots.accepts_work


def held(mode: HoldMode) -> Holds:
    return Holds.of([Hold(HoldKind.AGENT, "coder-1", mode, "somebody", "", datetime(2026, 1, 1, tzinfo=UTC))])


def test_a_draining_agent_is_told_to_hand_back_what_it_has_not_started(watch: Watch) -> None:
    claim = watch.give()
    watch.leader_state.hold(held(HoldMode.DRAINING))
    holding_it = heartbeat(read="5-0", held=[claim.pair])
    assert watch.look(holding_it, inbox_tail="5-0").orders == {AGENT: [Drain()]}
    claim.started = watch.now
    assert watch.look(holding_it, inbox_tail="5-0").orders == {}


def test_a_held_agent_gets_no_work_until_it_is_released(watch: Watch) -> None:
    watch.leader_state.hold(held(HoldMode.PAUSED))
    slots = watch.leader_state.add_agent(info()).slots
    assert not slots.accepts_work
    assert watch.look(heartbeat()).orders == {}
    assert not slots.accepts_work
    watch.leader_state.hold(Holds())
    assert slots.accepts_work


def test_a_claim_that_its_agent_holds_stays(watch: Watch) -> None:
    watch.give()
    assert watch.look(heartbeat(read="5-0", held=[(task_id(1), 1)]), inbox_tail="5-0").settlements == []


def test_a_claim_that_its_agent_does_not_hold_goes_back(watch: Watch) -> None:
    claim = watch.give()
    [settlement] = watch.look(heartbeat(read="5-0", held=[(task_id(1), 9)]), inbox_tail="5-0").settlements
    assert (settlement.id, settlement.attempt, settlement.refund, settlement.agent_id) == (task_id(1), 1, 1, AGENT)
    assert watch.leader_state.find(claim.id, 1) is None


def test_what_the_agent_has_not_read_yet_is_not_missing(watch: Watch) -> None:
    watch.give()
    assert watch.look(heartbeat(read="5-0"), inbox_tail="5-1").settlements == []


def test_what_is_not_published_yet_is_not_missing(watch: Watch) -> None:
    watch.give().is_published = False
    assert watch.look(heartbeat(read="5-0"), inbox_tail="5-0").settlements == []


def test_a_heartbeat_of_another_generation_proves_nothing(watch: Watch) -> None:
    watch.give()
    assert watch.look(heartbeat(read="5-0", generation="run:older"), inbox_tail="5-0").settlements == []


def test_nothing_is_concluded_before_the_results_were_read(watch: Watch) -> None:
    claim = watch.give()
    batch = Batch()
    watch.recovery.inspect(roster(heartbeat(), tail="70-2"), GENERATION, watch.now, batch)
    for cursor in (b"0-0", b"69-9", b"70-1"):
        watch.recovery.conclude(cursor, batch)
        assert batch.settlements == []
    watch.leader_state.close(claim)  # its result was among them
    watch.recovery.conclude(b"70-2", batch)
    assert batch.settlements == []


def test_a_verdict_waits_for_the_agents_own_results_alone(watch: Watch) -> None:
    """And so no agent can delay that of another one."""
    watch.give(1)
    watch.leader_state.add_agent(info("ann-1:b"))
    give(watch.leader_state, claimed(2, agent_id="ann-1:b"))
    batch = Batch()
    tails = {"ann-1": b"70-2"}
    beats = (heartbeat(), heartbeat("ann-1:b"))
    watch.recovery.inspect(roster(*beats, own_tails=tails), GENERATION, watch.now, batch)
    watch.recovery.conclude(b"0-0", batch, {"ann-1": b"70-1"})
    assert [settlement.id for settlement in batch.settlements] == [task_id(1)]
    watch.recovery.conclude(b"0-0", batch, {"ann-1": b"70-2"})
    assert [settlement.id for settlement in batch.settlements] == [task_id(1), task_id(2)]
    watch.recovery.conclude(b"0-0", batch, {"ann-1": b"70-2"})
    assert len(batch.settlements) == 2


def test_a_silent_agent_is_given_up_after_its_own_results(watch: Watch) -> None:
    watch.leader_state.add_agent(info("ann-1:b"))
    claim = give(watch.leader_state, claimed(2, agent_id="ann-1:b"))
    batch = Batch()
    for _ in range(int(TTL_SECONDS) + 3):
        watch.recovery.inspect(roster(own_tails={"ann-1": b"70-2"}), GENERATION, watch.now, batch)
        watch.recovery.conclude(b"0-0", batch, {"ann-1": b"70-1"})
        watch.now += 1
    assert batch.endings == []
    watch.leader_state.close(claim)  # its result was among them
    watch.recovery.conclude(b"0-0", batch, {"ann-1": b"70-2"})
    assert (batch.settlements, batch.endings) == ([], [("ann-1:b", "lost")])


def test_a_busy_agent_is_not_deaf(watch: Watch) -> None:
    """Orders come all the time, so a heartbeat is always a little behind the inbox."""
    for second in range(60):
        batch = watch.look(heartbeat(read=f"{second}-5"), inbox_tail=f"{second + 1}-9")
        assert batch.endings == []


def test_a_lost_order_of_a_busy_agent_goes_back(watch: Watch) -> None:
    """It never catches up with the inbox, but it has read what was there a reading before."""
    watch.give()
    assert watch.look(heartbeat(read="1-0"), inbox_tail="3-0").settlements == []
    [settlement] = watch.look(heartbeat(read="4-0"), inbox_tail="6-0").settlements
    assert (settlement.id, settlement.refund) == (task_id(1), 1)


def test_a_new_order_of_a_busy_agent_is_not_missing(watch: Watch) -> None:
    assert watch.look(heartbeat(read="1-0"), inbox_tail="3-0").settlements == []
    watch.give()
    assert watch.look(heartbeat(read="4-0"), inbox_tail="6-0").settlements == []


def test_an_agent_that_does_not_read_is_deaf(watch: Watch) -> None:
    watch.give()
    for second in range(int(DEAF_AFTER_SECONDS) + 1):
        assert watch.look(heartbeat(read="4-0"), inbox_tail=f"{5 + second}-0").endings == []
    batch = watch.look(heartbeat(read="4-0"), inbox_tail="50-0")
    assert batch.endings == [(AGENT, "lost")]
    assert batch.fenced == [AGENT]
    assert reasons(batch) == ["handed_back"]


def test_an_agent_that_catches_up_is_not_deaf(watch: Watch) -> None:
    for _ in range(3):
        for _ in range(int(DEAF_AFTER_SECONDS) - 1):
            assert watch.look(heartbeat(read="4-0"), inbox_tail="5-0").endings == []
        assert watch.look(heartbeat(read="5-0"), inbox_tail="5-0").endings == []


def test_silence_counts_once_the_canary_has_lived_for_a_ttl(watch: Watch) -> None:
    watch.give()
    for _ in range(int(TTL_SECONDS)):
        assert watch.look().endings == []
    assert watch.look().endings == [(AGENT, "lost")]


def test_a_canary_that_died_begins_anew(watch: Watch) -> None:
    watch.give()
    assert watch.recovery.canary_is_dead
    for _ in range(int(TTL_SECONDS)):
        watch.look()
        assert not watch.recovery.canary_is_dead
    assert watch.look(canary=False).endings == []
    assert watch.recovery.canary_is_dead
    for _ in range(int(TTL_SECONDS)):
        assert watch.look().endings == []
    assert watch.look().endings == [(AGENT, "lost")]


def test_an_agent_that_only_rows_know_is_lost_too(watch: Watch) -> None:
    watch.give()
    del watch.leader_state.agents[AGENT]
    for _ in range(int(TTL_SECONDS)):
        assert watch.look().endings == []
    assert watch.look().endings == [(AGENT, "lost")]
    assert not watch.leader_state.claims


def test_the_lost_pay_only_for_what_they_had_started(watch: Watch) -> None:
    watch.give(1)
    running = watch.give(2)
    running.started = watch.now
    batch = Batch()
    watch.recovery.reap(AGENT, "lost", batch)
    refunds = {settlement.id: settlement.refund for settlement in batch.settlements}
    assert refunds == {task_id(1): 1, task_id(2): 0}
    assert not watch.leader_state.claims
    assert AGENT not in watch.leader_state.agents


def test_a_heartbeat_of_a_lost_boot_does_not_bring_it_back(watch: Watch) -> None:
    watch.look(heartbeat())
    watch.recovery.reap(AGENT, "lost", Batch())
    assert watch.look(heartbeat()).arrivals == []
    assert AGENT not in watch.leader_state.agents


def test_a_pair_held_twice_is_compared_with_its_row(watch: Watch) -> None:
    pair = (task_id(1), 1)
    assert watch.look(heartbeat(held=[pair])).held == []
    assert watch.look(heartbeat(held=[pair, (task_id(2), 1)])).held == [pair]
    assert watch.look(heartbeat(held=[])).held == []


def test_an_attempt_without_an_end_is_settled_for_its_agent(watch: Watch) -> None:
    claim = watch.give()
    claim.started, claim.started_at = watch.now, 5.0
    held = heartbeat(held=[claim.pair])
    watch.now = claim.started + claim.row.timeout_seconds + OVERDUE_GRACE_SECONDS - 1
    assert watch.look(held).settlements == []
    batch = watch.look(held)
    [settlement] = batch.settlements
    assert (settlement.agent_id, settlement.event) == (AGENT, "attempt_failed")
    assert "timeout" in (settlement.error or "")
    assert batch.orders == {AGENT: [Cancel(task_id(1), 1)]}
    assert watch.look(held).settlements == []


def test_what_has_not_started_is_never_overdue(watch: Watch) -> None:
    claim = watch.give()
    watch.now += 10_000
    assert watch.look(heartbeat(held=[claim.pair])).settlements == []


def test_positions_are_numbers() -> None:
    assert position(b"999-5") < position(b"1000-0")
    assert position(b"1000-9") < position(b"1000-10")
    assert position(b"1000") == (1000, 0)


def test_a_heartbeat_that_is_not_renewed_is_silence_though_redis_keeps_it(watch: Watch) -> None:
    """The clock of Redis was set back: what should have expired stays for as long."""
    watch.give()
    for _ in range(int(TTL_SECONDS) + 2):
        assert watch.look(heartbeat()).endings == []
    endings = [watch.look(heartbeat(), are_renewed=False).endings for _ in range(int(TTL_SECONDS) + 3)]
    assert [ending for some in endings for ending in some] == [(AGENT, "lost")]


def test_time_that_the_leader_did_not_see_is_held_against_nobody(watch: Watch) -> None:
    for _ in range(int(TTL_SECONDS) + 2):
        watch.look(heartbeat())
    watch.now += 3600  # the leader was stopped, and its host with it
    assert watch.look(heartbeat(), are_renewed=False).endings == []
    assert watch.look(heartbeat()).endings == []


def test_heartbeats_of_a_large_crowd_are_read_in_turn(watch: Watch) -> None:
    assert watch.recovery.next_turn() == EVERYBODY
    watch.look()
    assert watch.recovery.next_turn() == EVERYBODY
    for number in range(2 * AGENTS_AT_ONCE + 1):
        watch.leader_state.add_agent(info(f"coder-{number}:a"))
    assert {watch.recovery.next_turn() for _ in range(6)} == {Turn(3, 0), Turn(3, 1), Turn(3, 2)}
    for number in range(9 * AGENTS_AT_ONCE):
        watch.leader_state.add_agent(info(f"other-{number}:a"))
    assert {watch.recovery.next_turn().readings for _ in range(6)} == {3}, "a heartbeat is read three times in a TTL"


@pytest.mark.parametrize("is_renewed", [True, False])
def test_an_agent_is_judged_when_it_is_its_turn(watch: Watch, is_renewed: bool) -> None:
    watch.give()
    for second in range(30):
        batch, beat = Batch(), heartbeat(read="5-0", held=[(task_id(1), 1)])
        beat.number = second if is_renewed else 1
        is_read = second % 3 == 0
        read = roster(beat, inbox_tail="5-0") if is_read else roster(others=[AGENT])
        watch.recovery.inspect(read, GENERATION, watch.now, batch)
        watch.recovery.conclude(b"0-0", batch)
        watch.now += 1
        if batch.endings:
            break
    assert batch.endings == ([] if is_renewed else [(AGENT, "lost")])
    assert is_renewed or (is_read and TTL_SECONDS < second <= TTL_SECONDS + 4)


def test_an_agent_that_is_gone_is_silent_whoevers_turn_it_is(watch: Watch) -> None:
    watch.give()
    watch.look(heartbeat(read="5-0"))
    for _ in range(int(TTL_SECONDS) + 2):
        batch = Batch()
        watch.recovery.inspect(roster(others=["coder-2:b"]), GENERATION, watch.now, batch)
        watch.recovery.conclude(b"0-0", batch)
        watch.now += 1
        if batch.endings:
            break
    assert batch.endings == [(AGENT, "lost")]
    assert watch.leader_state.ended == {AGENT}
