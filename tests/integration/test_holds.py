"""Pausing, draining and resuming queues, task types and agents, with a real dispatcher and agents."""

from __future__ import annotations

import pytest
from msgspec import Raw

from taskyard.core.errors import SubmissionError
from taskyard.core.postgres.database import queries
from taskyard.core.postgres.store import holds
from taskyard.core.protocol import Drain, Released, Run, encode
from taskyard.core.redis.broker import PAYLOAD
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from tests.engine import Engine, RunningWorker
from tests.gates import Gate
from tests.servers import wait_until

PAUSED, DRAINING = HoldMode.PAUSED, HoldMode.DRAINING
LANES = [(HoldKind.QUEUE, "reports"), (HoldKind.TYPE, "demo.gate")]


def hold(engine: Engine, kind: HoldKind, name: str, mode: HoldMode = PAUSED, reason: str = "the disk is full") -> bool:
    with engine.database.transaction() as tx:
        return holds.hold(tx, kind, name, mode, "somebody", reason)


def release(engine: Engine, kind: HoldKind, name: str) -> bool:
    with engine.database.transaction() as tx:
        return holds.release(tx, kind, name, "somebody", "")


def until_noticed(worker: RunningWorker) -> None:
    """Until the leader has looked at the holds again: it does with the roster, for which it is asked all the time."""
    begun = worker.dispatcher.ticks
    wait_until(lambda: worker.dispatcher.ticks >= begun + 4)


@pytest.mark.parametrize(("kind", "name"), LANES)
def test_a_paused_lane_starts_nothing_until_it_is_resumed(
    engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch, kind: HoldKind, name: str
) -> None:
    hold(engine, kind, name)
    worker = engine.worker()
    engine.agent()
    gate.open.set()
    held = engine.submit("demo.gate", {"n": 1}, queue="reports")
    free = engine.submit("demo.echo", {"n": 2})
    engine.wait_for(free, "completed")
    collections: list[int] = []
    collect = worker.broker.collect
    monkeypatch.setattr(worker.broker, "collect", lambda *a: collections.append(1) or collect(*a))
    until_noticed(worker)
    assert engine.task(held).state == "pending"
    assert gate.order == []
    assert len(collections) < 40, "a paused lane must not keep the dispatcher busy"
    release(engine, kind, name)
    engine.wait_for(held, "completed")


def test_a_pause_outlives_the_worker_and_redis(engine: Engine, gate: Gate) -> None:
    gate.open.set()
    worker = engine.worker()
    engine.agent()
    hold(engine, HoldKind.QUEUE, "reports")
    until_noticed(worker)
    held = engine.submit("demo.gate", {"n": 1}, queue="reports")
    worker.stop()
    engine.wipe_redis()
    worker = engine.worker("second")
    free = engine.submit("demo.gate", {"n": 2})
    engine.wait_for(free, "completed")
    until_noticed(worker)
    assert engine.task(held).state == "pending"
    release(engine, HoldKind.QUEUE, "reports")
    engine.wait_for(held, "completed")


def test_a_paused_agent_gets_nothing_and_finishes_what_it_runs(engine: Engine, gate: Gate) -> None:
    worker = engine.worker()
    agent = engine.agent("first")
    running = engine.submit("demo.gate", {"n": 1})
    engine.wait_for(running, "in_progress")
    hold(engine, HoldKind.AGENT, agent.agent.info.name)
    until_noticed(worker)
    waiting = engine.submit("demo.gate", {"n": 2})
    gate.open.set()
    engine.wait_for(running, "completed")
    until_noticed(worker)
    assert engine.task(waiting).state == "pending"
    other = engine.agent("second")
    engine.wait_for(waiting, "completed")
    assert engine.task(waiting).assigned_agent_id == other.id


def test_a_draining_agent_works_off_what_it_runs_and_gets_nothing_more(engine: Engine, gate: Gate) -> None:
    worker = engine.worker()
    agent = engine.agent("first")
    running = engine.submit("demo.gate", {"n": 1})
    engine.wait_for(running, "in_progress")
    hold(engine, HoldKind.AGENT, agent.agent.info.name, DRAINING)
    until_noticed(worker)
    again = engine.submit("demo.gate", {"n": 2})
    gate.open.set()
    engine.wait_for(running, "completed")
    until_noticed(worker)
    assert engine.task(again).state == "pending"
    release(engine, HoldKind.AGENT, agent.agent.info.name)
    engine.wait_for(again, "completed")


def test_an_agent_that_is_told_to_drain_hands_back_what_waits(
    engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.worker()
    agent = engine.agent("first", max_concurrency=1)
    engine.wait_for(engine.submit("demo.gate", {"n": 1}), "in_progress")
    sent: list[object] = []
    send = agent.agent.outbox.send
    monkeypatch.setattr(agent.agent.outbox, "send", lambda *reports: sent.extend(reports) or send(*reports))
    waiting = Run("0190a000-0000-7000-8000-000000000000", 1, "demo.gate", Raw(b"{}"), 60.0, None, 1)
    engine.redis.xadd(engine.broker.keys.inbox(agent.id), {PAYLOAD: encode([waiting, Drain()])})
    wait_until(lambda: Released(agent.id, [(waiting.task_id, 1)]) in sent)
    assert agent.agent.health().running == 1


@pytest.mark.parametrize(("kind", "name"), LANES)
def test_a_draining_lane_refuses_new_tasks_and_works_off_the_old(
    engine: Engine, gate: Gate, kind: HoldKind, name: str
) -> None:
    gate.open.set()
    before = engine.submit("demo.gate", {"n": 1}, queue="reports")
    hold(engine, kind, name, DRAINING)
    with pytest.raises(SubmissionError, match=f"{name} is draining by somebody since .*: the disk is full"):
        engine.submit("demo.gate", {"n": 2}, queue="reports")
    many = [{"type": "demo.echo", "input": {}}, {"type": "demo.gate", "input": {"n": 3}, "queue": "reports"}]
    with pytest.raises(SubmissionError, match="draining by somebody"):
        engine.submitter.submit_many(many)
    assert engine.counts() == {"pending": 1}, "a chunk that is refused in part is not stored in part"
    engine.worker()
    engine.agent()
    engine.wait_for(before, "completed")
    release(engine, kind, name)
    engine.wait_for(engine.submit("demo.gate", {"n": 4}, queue="reports"), "completed")


def test_every_change_is_audited_once(engine: Engine) -> None:
    kind, name = HoldKind.QUEUE, "reports"
    changes = [
        hold(engine, kind, name),
        hold(engine, kind, name),
        hold(engine, kind, name, DRAINING, reason=""),
        release(engine, kind, name),
        release(engine, kind, name),
    ]
    assert changes == [True, False, True, True, False]
    with engine.database.transaction() as tx:
        tx.cursor.execute("SELECT event, actor, detail ->> 'name', task_id FROM task_events ORDER BY at")
        rows = tx.cursor.fetchall()
    assert rows == [(event, "somebody", "reports", None) for event in ("paused", "draining", "resumed")]


def test_an_agent_that_never_was_is_refused(engine: Engine) -> None:
    with pytest.raises(SubmissionError, match="agent: 'nobody-1' is not accepted"):
        hold(engine, HoldKind.AGENT, "nobody-1")


def test_the_statements_are_described() -> None:
    known = {"agent_is_known", "queue_is_known", "type_is_known"}
    assert set(queries("holds")) == {"all_holds", "hold", "release", *known}
