"""What agents say they know, what they hand back as work that they can't run, and who gets it then."""

from __future__ import annotations

from unittest.mock import Mock

import msgspec
import pytest

from taskyard.core.models import Lane
from taskyard.core.protocol import (
    NULL,
    Done,
    Failure,
    KnownType,
    Register,
    Released,
    Reply,
    Report,
    Started,
    SubmitChild,
    encode,
)
from taskyard.core.scheduling.placement import unplaceable_reason
from taskyard.core.scheduling.retry import MAX_REFUNDS
from taskyard.core.submission.validate import Limits
from taskyard.core.task_types.registry import Registry, registry
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.child_workflows import ChildWorkflows
from taskyard.worker.dispatch.decisions import policy_of
from taskyard.worker.dispatch.durations import Durations
from taskyard.worker.dispatch.fleet_types import FleetTypes, is_readable
from taskyard.worker.dispatch.intake import Intake
from taskyard.worker.dispatch.leader_state import SHUNNED_SECONDS, LeaderState
from taskyard.worker.dispatch.postponed import Postponed
from taskyard.worker.dispatch.recovery import Recovery
from tests.clock import FakeClock
from tests.unit.leader_state_support import TTL_SECONDS, claimed, give, info, task_id

WORK = "demo.work"
LANE = Lane("default", WORK)
OLD, NEW, OTHER = "old-1:a", "new-1:a", "old-2:a"


def known(name: str = WORK, version: str = "1", **fields: object) -> KnownType:
    return KnownType(name, version, [], **fields)  # type: ignore[arg-type]


class Desk:
    """An intake with a leader's state whose agents said what they know."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.leader_state = LeaderState(Durations(), fleet=FleetTypes(registry))
        recovery = Recovery(self.leader_state, lambda name: policy_of(self.leader_state.fleet, name), TTL_SECONDS)
        fleet, limits = self.leader_state.fleet, Limits(1000, 1000)
        workflows = ChildWorkflows("", Mock(), fleet, limits, self.clock)
        self.intake = Intake(self.leader_state, recovery, fleet, limits, self.clock, Postponed(), workflows)
        self._entries = 0

    def read(self, *reports: Report) -> Batch:
        batch = Batch()
        self._entries += 1
        self.intake.read([(f"{self._entries}-0".encode(), encode(list(reports)))], batch)
        return batch

    def hello(self, agent_id: str, *types: KnownType) -> Batch:
        return self.read(Register(info(agent_id), list(types)))

    def takes(self, agent_id: str, lane: Lane = LANE) -> bool:
        return self.leader_state.agents[agent_id].slots.can_take(lane)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def refused_input(number: int = 1) -> Done:
    return Done(task_id(number), 1, NULL, Failure("invalid_input", "input.mode: extra"), 0.0, 0.0)


def test_an_agent_gets_only_types_that_it_says_it_knows(desk: Desk) -> None:
    batch = desk.hello(OLD, known("demo.other"))
    assert {one.id: one.known_types for one in batch.arrivals} == {
        OLD: [{"name": "demo.other", "version": "1", "requires": []}]
    }
    assert [arrival.id for arrival in batch.arrivals] == [OLD]
    assert not desk.takes(OLD)
    assert desk.takes(OLD, Lane("default", "demo.other"))
    desk.read(Register(info("silent-1:a")))
    assert desk.takes("silent-1:a"), "of before, and taken by its patterns"


def test_a_hello_that_comes_after_the_first_heartbeat_is_recorded(desk: Desk) -> None:
    desk.leader_state.add_agent(info(OLD))
    assert desk.takes(OLD)
    batch = desk.hello(OLD, known("demo.other"))
    assert [arrival.id for arrival in batch.arrivals] == [OLD]
    assert not desk.takes(OLD)


def test_a_boot_gets_no_type_again_that_it_can_not_run(desk: Desk) -> None:
    for agent_id in (OLD, NEW):
        desk.hello(agent_id, known())
    give(desk.leader_state, claimed(1, agent_id=OLD))
    batch = desk.read(Released(OLD, [(task_id(1), 1)], WORK, "it does not know type demo.work"))
    (settlement,) = batch.settlements
    assert (settlement.to_state, settlement.refund, settlement.event) == ("pending", 1, "handed_back")
    assert (desk.takes(OLD), desk.takes(NEW)) == (False, True)
    assert desk.leader_state.agents[OLD].slots.accepts_work, "it can run everything else"
    desk.leader_state.forget_refusals(1e9)
    assert not desk.takes(OLD)


def test_work_that_is_returned_by_another_agent_than_its_own_stays(desk: Desk) -> None:
    for agent_id in (OLD, NEW):
        desk.hello(agent_id, known())
    give(desk.leader_state, claimed(1, agent_id=OLD))
    assert desk.read(Released(NEW, [(task_id(1), 1)], WORK, "\x00")).settlements == []


def test_an_input_that_one_version_refuses_goes_to_the_other(desk: Desk) -> None:
    desk.hello(OLD, known(version="1"))
    desk.hello(OTHER, known(version="1"))
    desk.hello(NEW, known(version="2"))
    give(desk.leader_state, claimed(1, agent_id=OLD))
    (settlement,) = desk.read(refused_input()).settlements
    assert (settlement.to_state, settlement.refund, settlement.error) == ("pending", 1, None)
    assert [desk.takes(agent_id) for agent_id in (OLD, OTHER, NEW)] == [False, False, True]
    desk.leader_state.forget_refusals(desk.clock.monotonic() + SHUNNED_SECONDS + 1)
    assert desk.takes(OLD), "it may run other inputs of the type"


def test_an_input_that_nobody_here_accepts_waits_and_stops_nobody_else(desk: Desk) -> None:
    desk.hello(OLD, known(version="1"))
    desk.hello(NEW, known(version="2"))
    give(desk.leader_state, claimed(1, agent_id=OLD))
    desk.read(refused_input())
    give(desk.leader_state, claimed(2, agent_id=NEW)._replace(refunds=3))
    (settlement,) = desk.read(refused_input(2)).settlements
    assert (settlement.to_state, settlement.delay_seconds, settlement.refund) == ("scheduled", 8.0, 1)
    assert desk.takes(NEW)


def test_an_input_fails_where_all_have_one_version_or_after_the_last_refund(desk: Desk) -> None:
    desk.hello(OLD, known(version="1"))
    give(desk.leader_state, claimed(1, agent_id=OLD))
    (settlement,) = desk.read(refused_input()).settlements
    assert settlement.to_state == "failed"
    desk.hello(NEW, known(version="2"))
    give(desk.leader_state, claimed(2, agent_id=OLD)._replace(refunds=10))
    (settlement,) = desk.read(refused_input(2)).settlements
    assert settlement.to_state == "failed"


def test_a_leader_takes_from_agents_what_it_does_not_know(desk: Desk) -> None:
    desk.hello(NEW, known("acme.new", max_attempts=7, backoff_seconds=2.5, retry_on=["timeout"]))
    policy = policy_of(desk.leader_state.fleet, "acme.new")
    assert (policy.max_attempts, policy.backoff_seconds, set(policy.retry_on)) == (7, 2.5, {"timeout"})
    give(desk.leader_state, claimed(1, agent_id=NEW))
    child = SubmitChild(NEW, "r", task_id(1), 1, 1, "acme.new", {"any": [1]}, {})
    (accepted,) = desk.read(child).children
    assert accepted.submission.max_attempts == 7
    unknown = desk.read(SubmitChild(NEW, "r", task_id(1), 1, 2, "acme.newer", {}, {}))
    (reply,) = unknown.orders[NEW]
    assert isinstance(reply, Reply)
    assert "acme.newer" in (reply.refused or "")
    too_large = desk.read(SubmitChild(NEW, "r", task_id(1), 1, 3, "acme.new", {"a": "x" * 2000}, {}))
    assert too_large.children == []
    desk.leader_state.remove_agent(NEW)
    assert policy_of(desk.leader_state.fleet, "acme.new").max_attempts == 3


@pytest.mark.parametrize(
    "field",
    [
        {"name": "Acme"},
        {"name": "a\x00b"},
        {"name": "a" * 300},
        {"version": "\x00"},
        {"requires": ["GPU\x00"]},
        {"max_attempts": 10**30},
        {"backoff_seconds": -1.0},
        {"max_backoff_seconds": 1e300},
        {"retry_on": ["never"]},
        {"timeout_seconds": 0.0},
    ],
)
def test_what_can_be_no_type_is_not_remembered(desk: Desk, field: dict[str, object]) -> None:
    odd = msgspec.structs.replace(known("acme.new"), **field)
    assert not is_readable(odd)
    batch = desk.hello(NEW, odd, known())
    assert {one.id: one.known_types for one in batch.arrivals} == {
        NEW: [{"name": WORK, "version": "1", "requires": []}]
    }


def test_why_nobody_can_take_a_type_names_who_does_not_know_it(desk: Desk) -> None:
    desk.hello(OLD, known("demo.other"))
    reason = unplaceable_reason(LANE, [agent.slots for agent in desk.leader_state.agents.values()])
    assert reason == "no registered agent can run type demo.work: it, or this version of it, is not known to old-1"


def test_a_fleet_knows_the_types_of_its_own_process_first() -> None:
    fleet = FleetTypes(Registry(registry.load().types))
    fleet.learn("a:1", [known("diagnostic.noop", max_attempts=9)])
    assert fleet.get("diagnostic.noop").handler is registry.types["diagnostic.noop"].handler
    assert fleet.differs("a:1", "diagnostic.noop")


def test_a_version_that_no_agent_had_is_deployed_by_the_first_that_comes_with_it() -> None:
    fleet = FleetTypes(Registry())
    fleet.remember({WORK: "1", "demo.gone": "7"})
    assert fleet.learn("a:1", [known(version="1"), known("demo.new")]) == {}
    assert fleet.learn("b:1", [known(version="1")]) == {}
    assert fleet.learn("a:2", [known(version="2"), known("demo.gone", "8")]) == {
        WORK: ["1", "2"],
        "demo.gone": ["7", "8"],
    }
    assert fleet.learn("b:1", [known(version="1")]) == {}, "while it is rolled out, the old one may restart"
    assert fleet.learn("c:1", [known(version="1")]) == {}
    assert fleet.learn("b:2", [known(version="2")]) == {}
    for agent_id in ("a:1", "b:1", "c:1"):
        fleet.forget(agent_id)
    assert fleet.learn("c:2", [known(version="1")]) == {WORK: ["2", "1"]}, "the one before is deployed again"


def test_what_an_agent_deploys_is_recorded_with_it(desk: Desk) -> None:
    desk.hello(OLD, known(version="1"))
    (arrival,) = desk.read(Register(info(NEW), [known(version="2")])).arrivals
    assert (arrival.id, arrival.deployed) == (NEW, {WORK: ["1", "2"]})


def test_what_something_is_in_the_way_of_goes_to_others_at_once_and_not_here_for_a_while(desk: Desk) -> None:
    for agent_id in (OLD, NEW):
        desk.hello(agent_id, known(), known("demo.other"))
    give(desk.leader_state, claimed(1, agent_id=OLD))
    desk.read(Started(OLD, [(task_id(1), 1)], 1.0))
    batch = desk.read(Released(OLD, [(task_id(1), 1)], reason="its loop was blocked", pause_seconds=5.0))
    (settlement,) = batch.settlements
    assert (settlement.to_state, settlement.refund, settlement.event) == ("pending", 1, "handed_back")
    assert settlement.counted_refund == 1
    assert settlement.detail == '{"reason":"its loop was blocked"}'
    assert (desk.takes(OLD), desk.takes(NEW)) == (False, True)
    assert desk.takes(OLD, Lane("default", "demo.other"))
    assert desk.leader_state.agents[OLD].slots.accepts_work
    assert desk.leader_state.find(task_id(1), 1) is None
    desk.leader_state.forget_refusals(desk.clock.monotonic() + 6.0)
    assert desk.takes(OLD)


def test_without_others_it_comes_back_later_and_later(desk: Desk) -> None:
    desk.hello(OLD, known())
    give(desk.leader_state, claimed(1, agent_id=OLD)._replace(refunds=2))
    desk.read(Started(OLD, [(task_id(1), 1)], 1.0))
    (settlement,) = desk.read(Released(OLD, [(task_id(1), 1)], reason="\x00", pause_seconds=5.0)).settlements
    assert (settlement.to_state, settlement.delay_seconds, settlement.refund) == ("scheduled", 4.0, 1)
    assert settlement.detail == '{"reason":"no storable reason was given"}'


def test_what_found_no_place_goes_back_at_no_cost_however_often(desk: Desk) -> None:
    desk.hello(OLD, known())
    give(desk.leader_state, claimed(1, agent_id=OLD)._replace(refunded=0, refunds=MAX_REFUNDS, max_attempts=1))
    batch = desk.read(Released(OLD, [(task_id(1), 1)], reason="no seat came", pause_seconds=30.0))
    (settlement,) = batch.settlements
    assert (settlement.to_state, settlement.event, settlement.error) == ("pending", "handed_back", None)
    assert (settlement.refund, settlement.counted_refund, settlement.agent_id) == (1, 0, OLD)
    assert settlement.detail == '{"reason":"no seat came"}'
    assert not desk.takes(OLD)


def test_what_comes_back_at_once_has_a_limit(desk: Desk) -> None:
    desk.hello(OLD, known())
    give(desk.leader_state, claimed(1, agent_id=OLD)._replace(refunds=1))
    (settlement,) = desk.read(Released(OLD, [(task_id(1), 1)], reason="no seat came", pause_seconds=0.1)).settlements
    assert (settlement.to_state, settlement.delay_seconds, settlement.counted_refund) == ("scheduled", 2.0, 1)


def test_a_shorter_pause_does_not_end_a_longer_one(desk: Desk) -> None:
    desk.hello(OLD, known())
    for number, seconds in ((1, 60.0), (2, 5.0)):
        give(desk.leader_state, claimed(number, agent_id=OLD))
        desk.read(Released(OLD, [(task_id(number), 1)], reason="blocked", pause_seconds=seconds))
    desk.leader_state.forget_refusals(desk.clock.monotonic() + 30.0)
    assert not desk.takes(OLD)
