"""Suspended tasks and signals while leaders, agents and Redis fail around each step."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from pydantic import BaseModel

from taskyard.core.protocol import NULL, Done, Suspended, UntilSignal, UntilTime, encode
from taskyard.core.redis.broker import Publication
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.attempts.suspension import children, signal
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.committer import Committer
from tests.engine import Engine, Payload
from tests.gates import Gate
from tests.servers import wait_until


class Approval(BaseModel):
    by: str


def ask(given: Payload, context: TaskContext) -> Payload:
    answer = context.suspend(signal("approved", Approval))
    assert answer is not None
    return Payload.model_validate({"by": answer.by, "signals": len(context.signals("approved"))})


def nap(given: Payload, context: TaskContext) -> Payload:
    if context.last_checkpoint is None:
        context.suspend(0.5, state=1)
    return Payload()


def fail_publishing_once(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next publication is not sent, as if the leader had died before it."""
    publish = worker.broker.publish

    def fail(epoch: int, publication: Publication) -> None:
        monkeypatch.setattr(worker.broker, "publish", publish)
        raise redis.ConnectionError("died")

    monkeypatch.setattr(worker.broker, "publish", fail)


def lose_next_commit(monkeypatch: pytest.MonkeyPatch, kind: str, *, is_applied: bool) -> list[bool]:
    """The connection breaks in the commit of the next batch that has something of a kind."""
    commit, lost = Committer.commit, list[bool]()

    def cut_off(self: Committer, batch: Batch) -> Any:
        if not getattr(batch, kind) or lost:
            return commit(self, batch)
        lost.append(True)
        if is_applied:
            commit(self, batch)
        self._connection.close()
        return commit(self, batch)

    monkeypatch.setattr(Committer, "commit", cut_off)
    return lost


@pytest.mark.parametrize("is_applied", [True, False])
@pytest.mark.parametrize("handler", [ask, nap])
def test_a_commit_of_unknown_outcome_loses_no_suspension(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, handler: Any, is_applied: bool
) -> None:
    engine.define("demo.wait", handler)
    lost = lose_next_commit(monkeypatch, "suspensions", is_applied=is_applied)
    engine.worker()
    engine.agent()
    task_id = engine.submit("demo.wait")
    wait_until(lambda: lost)
    if handler is ask:
        engine.wait_for(task_id, "suspended")
        engine.submitter.send_signal(task_id, "approved", {"by": "ann"}, actor="test")
    task = engine.wait_for(task_id)
    assert (task.state, task.error) == ("completed", None)
    assert task.refunded == task.attempt - 1


@pytest.mark.parametrize("step", ["suspend", "wake"])
def test_a_leader_that_dies_before_it_publishes(engine: Engine, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    engine.define("demo.ask", ask)
    worker = engine.worker()
    engine.agent()
    task_id = engine.submit("demo.ask", delay_seconds=0.3)
    if step == "suspend":
        wait_until(lambda: engine.task(task_id).state == "scheduled")
        fail_publishing_once(worker, monkeypatch)
    engine.wait_for(task_id, "suspended")
    if step == "wake":
        fail_publishing_once(worker, monkeypatch)
    engine.submitter.send_signal(task_id, "approved", {"by": "ann"}, actor="test")
    assert engine.wait_for(task_id).output == {"by": "ann", "signals": 1}


def test_a_sender_that_dies_before_it_pushes_is_made_good_by_the_sweep(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.define("demo.ask", ask)
    engine.worker()
    engine.agent()
    task_id = engine.submit("demo.ask")
    engine.wait_for(task_id, "suspended")
    monkeypatch.setattr(engine.submitter._notifier, "push", lambda waiting: None)
    engine.submitter.send_signal(task_id, "approved", {"by": "ann"}, actor="test")
    assert engine.wait_for(task_id).output == {"by": "ann", "signals": 1}


def test_redis_wiped_while_tasks_are_suspended(engine: Engine) -> None:
    engine.define("demo.ask", ask)
    engine.define("demo.nap", nap)
    engine.worker()
    engine.agent()
    asking = [engine.submit("demo.ask") for _ in range(5)]
    for task_id in asking:
        engine.wait_for(task_id, "suspended")
    napping = [engine.submit("demo.nap") for _ in range(5)]
    for task_id in napping:
        engine.wait_for(task_id, "suspended", "pending", "assigned", "completed")
    engine.wipe_redis()
    engine.wait_for_all(napping)
    for task_id in asking:
        engine.submitter.send_signal(task_id, "approved", {"by": "ann"}, actor="test")
    engine.wait_for_all(asking)


def test_an_agent_that_vanishes_after_its_task_went_on_elsewhere_changes_nothing(engine: Engine) -> None:
    """The late reports of a suspended attempt: a suspension, an end, from the boot that had it."""
    engine.define("demo.ask", ask)
    engine.worker()
    agent = engine.agent()
    task_id = engine.submit("demo.ask")
    engine.wait_for(task_id, "suspended")
    late = Suspended(task_id, 1, UntilTime(3600), True, NULL, 1.0, 0.1, agent_id=agent.id)
    engine.broker.report(encode([late, Done(task_id, 1, NULL, None, 1.0, 0.1, agent_id=agent.id)]))
    wait_until(lambda: engine.events(task_id).count("stale_result") == 2)
    assert engine.task(task_id).state == "suspended"
    engine.submitter.send_signal(task_id, "approved", {"by": "ann"}, actor="test")
    assert engine.wait_for(task_id).output == {"by": "ann", "signals": 1}
    engine.broker.report(encode([late]))
    wait_until(lambda: engine.events(task_id).count("stale_result") == 3)
    assert engine.task(task_id).state == "completed"


def test_a_suspension_of_another_ones_attempt_changes_nothing(engine: Engine, gate: Gate) -> None:
    engine.worker()
    engine.agent()
    task_id = engine.submit("demo.gate")
    engine.wait_for(task_id, "in_progress")
    until = UntilSignal("never", {})
    engine.broker.report(encode([Suspended(task_id, 1, until, False, NULL, 1.0, 0.1, agent_id="other:boot")]))
    wait_until(lambda: "stale_result" in engine.events(task_id))
    assert engine.task(task_id).state == "in_progress"
    gate.open.set()
    assert engine.wait_for(task_id).state == "completed"


def test_a_parent_that_waits_goes_on_whatever_becomes_of_its_children(engine: Engine, gate: Gate) -> None:
    def parent(given: Payload, context: TaskContext) -> Payload:
        if context.last_checkpoint is None:
            for number in range(2):
                context.submit("demo.gate", {"n": number}, key=str(number))
        states = [one.state for one in context.suspend(children(), state=1)]
        return Payload.model_validate({"states": states})

    engine.define("demo.parent", parent)
    engine.worker()
    engine.agent()
    task_id = engine.submit("demo.parent")
    engine.wait_for(task_id, "suspended")
    engine.kill_leader_connection()
    with engine.database.transaction() as tx:
        rows = tx.rows("SELECT id FROM tasks WHERE workflow_id = %(id)s AND id <> %(id)s", {"id": task_id})
    engine.submitter.cancel(rows[0][0], actor="test")
    gate.open.set()
    assert sorted(engine.wait_for(task_id).output["states"]) == ["cancelled", "completed"]


def test_a_signal_is_sent_twice_by_one_who_does_not_know(engine: Engine) -> None:
    engine.define("demo.ask", ask)
    engine.worker()
    engine.agent()
    task_id = engine.submit("demo.ask", delay_seconds=0.5)
    sent = [
        engine.submitter.send_signal(task_id, "approved", {"by": "ann"}, actor="test", signal_id="1") for _ in range(3)
    ]
    assert sent == [True, False, False]
    assert engine.wait_for(task_id).output == {"by": "ann", "signals": 1}
