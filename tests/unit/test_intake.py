"""Reports of agents become the tick's decisions."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import orjson
import pytest
from msgspec import Raw
from pydantic import BaseModel, ConfigDict, Field

from taskyard.core.postgres.store.tick import Completion, Stale
from taskyard.core.protocol import (
    NULL,
    Checkpoint,
    Deregister,
    Done,
    Failure,
    KnownType,
    Log,
    Progress,
    Register,
    Released,
    Reply,
    Report,
    Started,
    SubmitChild,
    Welcome,
    encode,
)
from taskyard.core.submission.validate import Limits
from taskyard.core.task_types.registry import Isolation, Registry, TaskType, registry
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.core.task_types.stand_in import never_run
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.child_workflows import ChildWorkflows
from taskyard.worker.dispatch.decisions import policy_of
from taskyard.worker.dispatch.durations import Durations
from taskyard.worker.dispatch.fleet_types import FleetTypes
from taskyard.worker.dispatch.held_starts import START_DELAY_SECONDS
from taskyard.worker.dispatch.intake import Intake
from taskyard.worker.dispatch.leader_state import LeaderState
from taskyard.worker.dispatch.postponed import Postponed
from taskyard.worker.dispatch.recovery import Recovery
from taskyard.worker.dispatch.report_parts import LATEST_SECONDS
from tests.clock import FakeClock
from tests.unit.leader_state_support import TTL_SECONDS, claimed, give, info, task_id

AGENT = "coder-1:a"


class Desk:
    """An intake, its leader's state with one agent, and entries numbered as they come."""

    def __init__(self, types: Registry = registry) -> None:
        self.clock = FakeClock()
        self.leader_state = LeaderState(Durations(), fleet=FleetTypes(types))
        recovery = Recovery(self.leader_state, lambda name: policy_of(types, name), TTL_SECONDS)
        fleet, limits = self.leader_state.fleet, Limits(1000, 1000)
        workflows = ChildWorkflows("", Mock(), fleet, limits, self.clock)
        self.intake = Intake(self.leader_state, recovery, fleet, limits, self.clock, Postponed(), workflows)
        self.leader_state.add_agent(info())
        self._entries = 0

    def read(self, *reports: Report | bytes, batch: Batch | None = None, sender: str = "") -> Batch:
        """One entry with these reports (or a payload of its own), in the own results of a `sender` if there is one."""
        batch = batch or Batch()
        self._entries += 1
        payload = reports[0] if reports and isinstance(reports[0], bytes) else encode(list(reports))
        self.intake.read([(f"{self._entries}-0 {sender}".strip().encode(), payload)], batch)
        return batch

    def release(self) -> Batch:
        batch = Batch()
        self.intake.release_starts(batch)
        return batch


@pytest.fixture
def desk() -> Desk:
    return Desk()


def succeeded(number: int = 1, attempt: int = 1, output: bytes = b"{}") -> Done:
    return Done(task_id(number), attempt, Raw(output), None, 100.0, 0.25)


def started(*numbers: int, attempt: int = 1) -> Started:
    return Started(AGENT, [(task_id(number), attempt) for number in numbers], 99.0)


def test_a_success_is_a_completion(desk: Desk) -> None:
    give(desk.leader_state, claimed(1))
    batch = desk.read(succeeded(output=b'{"n": 1.0}'))
    assert batch.completions == [Completion(task_id(1), 1, '{"n": 1.0}', 100.0, 0.25)]
    assert batch.consumed == [b"1-0"]
    assert batch.reporters == {task_id(1): AGENT}
    assert not desk.leader_state.claims
    assert desk.leader_state.durations.expected("demo.work") == pytest.approx(0.25, abs=0.001)


def test_a_failure_is_judged(desk: Desk) -> None:
    give(desk.leader_state, claimed(1))
    batch = desk.read(Done(task_id(1), 1, NULL, Failure("permanent", "no use"), 100.0, 0.25))
    [settlement] = batch.settlements
    assert (settlement.to_state, settlement.agent_id, settlement.started_at) == ("failed", None, 100.0)
    assert desk.leader_state.durations.means == {}


@pytest.mark.parametrize("output", [b'"\\u0000"', b'"' + b"x" * 1000 + b'"', b"[" * 80 + b"]" * 80])
def test_an_output_that_cannot_be_stored(desk: Desk, output: bytes) -> None:
    give(desk.leader_state, claimed(1))
    [settlement] = desk.read(succeeded(output=output)).settlements
    assert settlement.to_state == "failed"
    assert orjson.loads(settlement.error or "")["class"] == "unstorable"


class Count(BaseModel):
    n: int = Field(ge=0)


@pytest.mark.parametrize(
    ("output", "sender", "version", "problem"),
    [
        (b'{"n": -1}', "coder-1", None, "output.n: -1 is less than the minimum of 0"),
        (b'{"n": "x"}', "coder-1", "own", 'output.n: "x" is not of type "integer"'),
        (b"[]", "coder-1", "own", 'output: [] is not of type "object"'),
        (b'{"n": 1}', "coder-1", "own", ""),
        (b'{"n": -1}', "coder-1", "newer", ""),  # the model of another release is not known here
        (b'{"n": -1}', "", "own", ""),  # the installation's own agents check what their handlers return
    ],
)
def test_an_output_of_who_comes_by_credentials_of_its_own_fits_the_model(
    output: bytes, sender: str, version: str | None, problem: str
) -> None:
    types = Registry()
    types.add(TaskType("demo.work", never_run, Count, Count, 60.0, RetryPolicy(), Isolation.THREAD, frozenset(), ""))
    desk = Desk(types)
    if version is not None:
        declared = types.get("demo.work").version if version == "own" else version
        desk.leader_state.fleet.learn(AGENT, [KnownType("demo.work", declared, [])])
    give(desk.leader_state, claimed(1))
    done = succeeded(output=output)
    done.agent_id = AGENT
    batch = desk.read(done, sender=sender)
    assert len(batch.completions) == (problem == "")
    errors = [orjson.loads(settlement.error or "") for settlement in batch.settlements]
    assert [(error["class"], error["message"]) for error in errors] == [("invalid_output", problem)] * (problem != "")


class Name(BaseModel):
    model_config = ConfigDict(regex_engine="python-re")

    name: str = Field(pattern=r"\Aab+\Z")  # no JSON Schema knows this


def test_an_output_whose_model_has_no_usable_schema_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    types = Registry()
    types.add(TaskType("demo.work", never_run, Name, Name, 60.0, RetryPolicy(), Isolation.THREAD, frozenset(), ""))
    desk = Desk(types)
    give(desk.leader_state, claimed(1))
    done = succeeded(output=b'{"name": "ab"}')
    done.agent_id = AGENT
    batch = desk.read(done, sender="coder-1")
    assert [one.output for one in batch.completions] == ['{"name": "ab"}']
    assert "the schema of task type demo.work can't be used" in caplog.text


@pytest.mark.parametrize(("number", "attempt"), [(2, 1), (1, 1), (1, 3)])
def test_a_late_or_foreign_result_is_stale(desk: Desk, number: int, attempt: int) -> None:
    claim = give(desk.leader_state, claimed(1, attempt=2))
    batch = desk.read(succeeded(number, attempt))
    assert batch.stale == [Stale(task_id(number), attempt, None, "completed")]
    assert batch.consumed == [b"1-0"]
    assert not batch.completions
    assert desk.leader_state.find(task_id(1), 2) is claim


def test_a_doubled_result_counts_once(desk: Desk) -> None:
    give(desk.leader_state, claimed(1))
    batch = desk.read(succeeded())
    desk.read(succeeded(), batch=batch)
    assert len(batch.completions) == 1
    assert len(batch.stale) == 1


def test_a_start_waits_for_its_end(desk: Desk) -> None:
    give(desk.leader_state, claimed(1))
    batch = desk.read(started(1))
    assert (batch.consumed, batch.started) == ([], [])
    assert desk.intake.holds_starts
    batch = desk.read(succeeded())
    assert batch.consumed == [b"1-0", b"2-0"]
    assert not desk.intake.holds_starts
    desk.clock.advance(1)
    assert desk.release().is_empty()


def test_a_start_whose_end_does_not_follow_is_recorded(desk: Desk) -> None:
    give(desk.leader_state, claimed(1))
    give(desk.leader_state, claimed(2))
    desk.read(started(1, 2))
    desk.clock.advance(START_DELAY_SECONDS / 2)
    assert desk.release().is_empty()
    desk.clock.advance(START_DELAY_SECONDS)
    batch = desk.release()
    assert batch.started == [(task_id(1), 1, 99.0), (task_id(2), 1, 99.0)]
    assert batch.consumed == [b"1-0"]
    assert desk.release().is_empty()


def test_an_entry_is_kept_until_all_of_its_starts_are_recorded(desk: Desk) -> None:
    give(desk.leader_state, claimed(1))
    give(desk.leader_state, claimed(2))
    desk.read(started(1, 2))
    assert desk.read(succeeded(1)).consumed == [b"2-0"]
    desk.clock.advance(1)
    batch = desk.release()
    assert batch.started == [(task_id(2), 1, 99.0)]
    assert batch.consumed == [b"1-0"]


def test_a_stale_end_does_not_swallow_the_start_of_another_attempt(desk: Desk) -> None:
    give(desk.leader_state, claimed(1, attempt=2))
    desk.read(started(1, attempt=2))
    batch = desk.read(succeeded(1, attempt=1))
    assert len(batch.stale) == 1
    desk.clock.advance(1)
    batch = desk.release()
    assert batch.started == [(task_id(1), 2, 99.0)]
    assert batch.consumed == [b"1-0"]


def test_every_entry_is_consumed_when_a_task_starts_again_at_once(desk: Desk) -> None:
    give(desk.leader_state, claimed(1))
    batch = desk.read(started(1))
    desk.read(Released(AGENT, [(task_id(1), 1)]), batch=batch)
    give(desk.leader_state, claimed(1, attempt=2))
    desk.read(started(1, attempt=2), batch=batch)
    desk.clock.advance(1)
    desk.intake.release_starts(batch)
    assert sorted(batch.consumed) == [b"1-0", b"2-0", b"3-0"]
    assert batch.started == [(task_id(1), 2, 99.0)]


@pytest.mark.parametrize("attempt", [1, 3])
def test_a_start_of_another_attempt_is_nothing(desk: Desk, attempt: int) -> None:
    claim = give(desk.leader_state, claimed(1, attempt=2))
    assert desk.read(started(1, attempt=attempt)).consumed == [b"1-0"]
    assert claim.started is None


def test_a_doubled_start_counts_once(desk: Desk) -> None:
    give(desk.leader_state, claimed(1))
    desk.read(started(1))
    assert desk.read(started(1)).consumed == [b"2-0"]


def test_returned_work_is_handed_back(desk: Desk) -> None:
    give(desk.leader_state, claimed(1))
    batch = desk.read(Released(AGENT, [(task_id(1), 1), (task_id(2), 1)]))
    [settlement] = batch.settlements
    assert (settlement.to_state, settlement.refund, settlement.event) == ("pending", 1, "handed_back")
    assert not desk.leader_state.claims


def test_an_agent_that_hands_back_gets_nothing_more(desk: Desk) -> None:
    desk.read(Released(AGENT, []), Released("nobody:x", []))
    assert not desk.leader_state.agents[AGENT].slots.accepts_work


def test_the_last_progress_counts(desk: Desk) -> None:
    give(desk.leader_state, claimed(1))
    batch = desk.read(Progress(task_id(1), 1, 0.25, "a quarter"), Progress(task_id(1), 1, 0.5, "half"))
    assert list(batch.progress.values()) == [(task_id(1), 1, 0.5, "half")]


def test_a_line_of_the_handlers_log(desk: Desk) -> None:
    give(desk.leader_state, claimed(1))
    [line] = desk.read(Log(AGENT, task_id(1), 1, "info", 'a "quoted" line')).logs
    assert line[:5] == (task_id(1), "log", 1, f"agent:{AGENT}", AGENT)
    assert orjson.loads(line[5]) == {"level": "info", "message": 'a "quoted" line'}


def test_an_attempt_that_is_over_has_no_say(desk: Desk) -> None:
    give(desk.leader_state, claimed(1, attempt=2))
    batch = desk.read(
        Progress(task_id(1), 1, 0.25, "a quarter"),
        Log(AGENT, task_id(1), 1, "info", "a line"),
        Checkpoint(AGENT, "r1", task_id(1), 1, NULL),
    )
    assert (batch.progress, batch.logs, batch.checkpoints) == ({}, [], [])
    assert batch.orders == {AGENT: [Reply("r1", None, "checkpoint: this attempt is no longer the current one")]}


@pytest.mark.parametrize("at", [-1e300, -1.0, 1e300])
def test_a_clock_that_is_wrong_spoils_nothing(desk: Desk, at: float) -> None:
    """PostgreSQL knows no such time, and the whole tick would be refused."""
    for number in (1, 2, 3):
        give(desk.leader_state, claimed(number))
    desk.read(
        Started(AGENT, [(task_id(1), 1)], at),
        Done(task_id(2), 1, NULL, None, at, 0.1),
        Done(task_id(3), 1, NULL, Failure("permanent", "no use"), at, 0.1),
        batch=(batch := Batch()),
    )
    desk.clock.advance(1)
    desk.intake.release_starts(batch)
    times = [batch.started[0][2], batch.completions[0].started_at, batch.settlements[0].started_at]
    assert all(time is not None and 0 <= time <= LATEST_SECONDS for time in times)


@pytest.mark.parametrize(
    "report", [Done("no uuid", 1, NULL, None, 0.0, 0.0), Done(task_id(1), 1 << 31, NULL, None, 0.0, 0.0)]
)
def test_what_can_be_no_task_is_not_even_stale(desk: Desk, report: Done) -> None:
    batch = desk.read(report)
    assert (batch.stale, batch.consumed) == ([], [b"1-0"])


def test_a_checkpoint_that_cannot_be_stored_is_refused(desk: Desk) -> None:
    give(desk.leader_state, claimed(1))
    good = Checkpoint(AGENT, "r1", task_id(1), 1, Raw(b'{"step":1}'))
    batch = desk.read(good, Checkpoint(AGENT, "r2", task_id(1), 1, Raw(b'"\\u0000"')))
    assert batch.checkpoints == [good]
    [reply] = batch.orders[AGENT]
    assert isinstance(reply, Reply)
    assert (reply.request_id, reply.value) == ("r2", None)
    assert "NUL" in (reply.refused or "")


def child(options: dict[str, Any], ordinal: int = 1, child_type: str = "code.metrics") -> SubmitChild:
    return SubmitChild(AGENT, "r1", task_id(1), 1, ordinal, child_type, {"sources": {"a.py": "x = 1"}}, options)


def test_a_child_gets_a_key_of_its_own(desk: Desk) -> None:
    registry.load()
    give(desk.leader_state, claimed(1))
    [asked] = desk.read(child({"queue": "nightly"}, ordinal=3)).children
    submission = asked.submission
    assert submission.idempotency_key == f"{task_id(1)}/3"
    assert (submission.parent_id, submission.creator_agent_id) == (task_id(1), AGENT)
    assert (submission.queue, submission.created_by) == ("nightly", f"task:{task_id(1)}")


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (child({}, child_type="demo.unknown"), "demo.unknown"),
        (child({"queue": "No Queue"}), "queue"),
        (child({"colour": "red"}), "colour"),
        (child({"idempotency_key": "mine"}), "idempotency_key"),
        (child({"parent_id": task_id(9)}), "parent_id"),
        (child({"created_by": "root"}), "created_by"),
        (child({"creator_agent_id": "other:1"}), "creator_agent_id"),
        (child({"registry": None}), "registry"),
        (child({"now": 0}), "now"),
    ],
)
def test_a_child_that_is_refused(desk: Desk, report: SubmitChild, reason: str) -> None:
    registry.load()
    give(desk.leader_state, claimed(1))
    batch = desk.read(report)
    assert not batch.children
    [reply] = batch.orders[AGENT]
    assert isinstance(reply, Reply)
    assert reason in (reply.refused or "")


def test_a_new_agent_is_welcomed_and_recorded_once(desk: Desk) -> None:
    hello = Register(info("coder-2:b"))
    batch = desk.read(hello, hello)
    assert [one.info for one in batch.arrivals] == [hello.agent]
    assert batch.orders == {"coder-2:b": [Welcome(), Welcome()]}
    assert "coder-2:b" in desk.leader_state.agents


def test_a_boot_that_ended_does_not_come_back(desk: Desk) -> None:
    give(desk.leader_state, claimed(1))
    batch = desk.read(Deregister(AGENT, "left"), Deregister(AGENT, "lost"), Register(info()))
    assert batch.endings == [(AGENT, "left")]
    assert batch.fenced == [], "it is gone for certain: a mark that it must end would only be left behind"
    assert batch.arrivals == []
    assert [s.event for s in batch.settlements] == ["handed_back"]
    assert AGENT not in desk.leader_state.agents


@pytest.mark.parametrize("payload", [b"", b"not json", b'[["unknown"]]', b'{"a":1}', b"\xff\xfe"])
def test_garbage_is_deleted_and_stops_nothing(desk: Desk, payload: bytes) -> None:
    give(desk.leader_state, claimed(1))
    batch = desk.read(payload)
    desk.read(succeeded(), batch=batch)
    assert batch.consumed == [b"1-0", b"2-0"]
    assert len(batch.completions) == 1


def test_own_results_count_for_their_sender(desk: Desk) -> None:
    give(desk.leader_state, claimed(1))
    done = succeeded()
    done.agent_id = AGENT
    batch = desk.read(started(1), done, sender="coder-1")
    assert [completion.id for completion in batch.completions] == [task_id(1)]
    assert (set(batch.consumed), batch.odd) == ({b"1-0 coder-1"}, [])


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (Done(task_id(1), 1, NULL, None, 1.0, 1.0, agent_id=AGENT), "speaks for another one"),
        (Done(task_id(1), 1, NULL, None, 1.0, 1.0), "names no boot of its own"),
        (Done(task_id(1), 1, NULL, None, 1.0, 1.0, agent_id="ann-1:b"), "about an attempt of another one"),
        (Started("ann-1:b", [(task_id(2), 1), (task_id(1), 1)], 1.0), "about an attempt of another one"),
        (Released(AGENT, [(task_id(1), 1)]), "speaks for another one"),
        (Released("ann-1:b", [(task_id(1), 1)], "demo.work", "no"), "about an attempt of another one"),
        (Progress(task_id(1), 1, 0.5, "", "ann-1:b"), "about an attempt of another one"),
        (Log("ann-1:b", task_id(1), 1, "info", "x"), "about an attempt of another one"),
        (Checkpoint("ann-1:b", "r", task_id(1), 1, NULL, AGENT), "speaks for another one"),
        (Checkpoint(AGENT, "r", task_id(1), 1, NULL, "ann-1:b"), "speaks for another one"),
        (SubmitChild("ann-1:b", "r", task_id(1), 1, 0, "demo.work", {}, {}), "about an attempt of another one"),
        (Register(info("coder-1:z")), "speaks for another one"),
        (Deregister(AGENT, "lost"), "speaks for another one"),
        (b'[["done", "' + task_id(1).encode() + b'", 1, {}, null, "x", 1]]', "about an attempt of another one"),
        (b'[["checkpoint", "coder-1:a", "r", 7, 1, {}]]', "speaks for another one"),
    ],
)
def test_what_an_agent_says_of_another_one_has_no_effect(desk: Desk, report: Report | bytes, why: str) -> None:
    claim = give(desk.leader_state, claimed(1))
    batch = desk.read(report, sender="ann-1")
    [odd] = batch.odd
    assert (odd.agent_id, odd.task_id, odd.place) == ("ann-1", None, "results 1-0 ann-1")
    assert odd.reason.startswith("agent ann-1 sent it ")
    assert odd.reason.endswith(why)
    assert batch.consumed == [b"1-0 ann-1"]
    assert desk.leader_state.find(task_id(1), 1) is claim
    assert claim.started is None
    assert desk.leader_state.agents.keys() == {AGENT}
    batch.consumed, batch.odd = [], []
    assert batch == Batch()


def test_what_stands_beside_a_forged_report_counts(desk: Desk) -> None:
    desk.leader_state.add_agent(info("ann-1:b"))
    give(desk.leader_state, claimed(1))
    give(desk.leader_state, claimed(2, agent_id="ann-1:b"))
    own = Done(task_id(2), 1, NULL, None, 1.0, 1.0, agent_id="ann-1:b")
    batch = desk.read(Deregister(AGENT, "lost"), own, sender="ann-1")
    assert [completion.id for completion in batch.completions] == [task_id(2)]
    assert len(batch.odd) == 1


def test_an_agent_declares_only_types_that_it_may_have(desk: Desk) -> None:
    desk.leader_state.allowed_types["ann-1"] = ("demo.*",)
    types = [KnownType("demo.work", "1", []), KnownType("code.run", "1", [])]
    desk.read(Register(info("ann-1:b"), types), sender="ann-1")
    assert set(desk.leader_state.fleet.known_by("ann-1:b") or ()) == {"demo.work"}
