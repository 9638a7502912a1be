"""Reports of agents that are newer than the leader are kept, and applied by one that understands them (P21)."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import pytest

from taskyard.core.postgres.store import kept_reports as store
from taskyard.core.protocol import VERSION, Deregister, Started, encode
from taskyard.core.redis.decoding import read_reports
from taskyard.worker.dispatch import intake, kept_reports
from tests.chaos.stage import StepAgent
from tests.engine import Engine, RunningWorker
from tests.servers import wait_until

NEWER = VERSION + 1
NOW = time.time()


class NewerAgent(StepAgent):
    """An agent of the next version, which ends attempts by a kind of report that this version does not have."""

    def beat(self) -> None:
        self._info.version = NEWER
        super().beat()

    def end(
        self, pair: tuple[str, int], *, says: bytes = b'["ended","%s",%d,{"n":1},null,%f,0.1,null,null,"%s"]'
    ) -> None:
        """Reports an end in words that only the next version has."""
        self.running.remove(pair)
        self._broker.report(b"[" + says % (pair[0].encode(), pair[1], NOW, self.id.encode()) + b"]")

    def run_one(self) -> tuple[str, int]:
        """Reads until there is something to run, and starts it."""

        def started() -> bool:
            self.beat()
            self.read()
            return self.start()

        wait_until(started)
        return self.running[-1]


@pytest.fixture
def newer_leader(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[[RunningWorker], RunningWorker]:
    """Upgrades a worker: the next version calls the new kind what this one calls an end."""

    def understood(payload: bytes) -> object:
        return read_reports(payload.replace(b'["ended",', b'["done",').replace(b'"over_budget"', b'"permanent"'))

    def upgrade(worker: RunningWorker) -> RunningWorker:
        worker.stop()
        monkeypatch.setattr(kept_reports, "VERSION", NEWER)
        monkeypatch.setattr(intake, "read_reports", understood)
        return engine.worker("upgraded")

    return upgrade


def newer_agent_with_a_task(engine: Engine) -> tuple[RunningWorker, NewerAgent, str]:
    """A leader of this version, an agent of the next one, and the id of a task for it."""
    worker = engine.worker()
    engine.define("demo.step", lambda given, context: given)
    agent = NewerAgent(engine.broker, "edge", engine.settings.agent_ttl_seconds)
    return worker, agent, engine.submit("demo.step")


def kept(engine: Engine) -> list[store.Kept]:
    with engine.database.transaction() as tx:
        return store.kept(tx)


def rosters(worker: RunningWorker, agent: NewerAgent, count: int = 4) -> None:
    """Waits until the leader has read the agent's next heartbeats."""
    for _ in range(count):
        agent.beat()
        number = worker.dispatcher.ticks

        def has_ticked(number: int = number) -> bool:
            agent.beat()
            return worker.dispatcher.ticks > number + 1

        wait_until(has_ticked)


def test_the_end_of_a_task_waits_for_a_leader_that_understands_it(
    engine: Engine, newer_leader: Callable[[RunningWorker], RunningWorker]
) -> None:
    old, agent, task_id = newer_agent_with_a_task(engine)
    pair = agent.run_one()
    agent.end(pair)
    wait_until(lambda: agent.beat() or kept(engine))
    [report] = kept(engine)
    assert (report.version, report.kind, report.agent_id, report.pairs) == (NEWER, "ended", agent.id, (pair,))
    rosters(old, agent)
    task = engine.task(task_id)
    # its start may not have been recorded before its end was kept
    assert task.state in ("assigned", "in_progress"), "its agent does not hold it, and it is not given up"
    assert task.attempt == 1
    assert "report_kept" in engine.events(task_id)
    assert engine.broker.quarantine.count() == 0
    # the agent has all its slots
    others = [engine.submit("demo.step") for _ in range(3)]
    assert {agent.run_one()[0] for _ in others} == set(others)
    for one in list(agent.running):
        agent.end(one)
    wait_until(lambda: agent.beat() or len(kept(engine)) == 4)
    # neither its death nor a wipe changes that
    agent.report(Deregister(agent.id, "left"))
    engine.redis.flushdb()
    wait_until(lambda: engine.leader() > 1)
    wait_until(lambda: engine.broker.results_length() == 0)
    assert {engine.task(one).state for one in (task_id, *others)} <= {"assigned", "in_progress"}
    newer_leader(old)
    for one in (task_id, *others):
        done = engine.wait_for(one, timeout_seconds=20)
        assert (done.state, done.attempt, done.output) == ("completed", 1, {"n": 1})
    wait_until(lambda: not kept(engine))
    assert [one for one, _ in agent.executed] == [task_id, *others]


def test_a_report_is_kept_once_and_the_fence_decides_when_it_is_applied(
    engine: Engine, newer_leader: Callable[[RunningWorker], RunningWorker]
) -> None:
    old, agent, task_id = newer_agent_with_a_task(engine)
    pair = agent.run_one()
    agent.end(pair)
    agent.running.append(pair)
    agent.end(pair)
    agent.report(Started(agent.id, [pair], NOW))
    wait_until(lambda: agent.beat() or engine.broker.results_length() == 0)
    assert len(kept(engine)) == 1
    engine.submitter.cancel(task_id, actor="ann", reason="no longer needed")
    newer_leader(old)
    wait_until(lambda: not kept(engine))
    assert engine.task(task_id).state == "cancelled"
    assert "stale_result" in engine.events(task_id)


def test_a_value_that_only_the_next_version_has_is_kept(
    engine: Engine, newer_leader: Callable[[RunningWorker], RunningWorker]
) -> None:
    old, agent, task_id = newer_agent_with_a_task(engine)
    agent.end(agent.run_one(), says=b'["done","%s",%d,null,["over_budget","no"],%f,0.1,null,null,"%s"]')
    wait_until(lambda: agent.beat() or kept(engine))
    assert "over_budget" in kept(engine)[0].reason
    rosters(old, agent)
    assert engine.task(task_id).state in ("assigned", "in_progress")
    newer_leader(old)
    failed = engine.wait_for(task_id, timeout_seconds=20)
    assert (failed.state, failed.error and failed.error["class"], failed.attempt) == ("failed", "permanent", 1)


def test_what_somebody_drops_holds_nothing_back(engine: Engine) -> None:
    old, agent, task_id = newer_agent_with_a_task(engine)
    agent.end(agent.run_one())
    wait_until(lambda: agent.beat() or kept(engine))
    rosters(old, agent)
    with engine.database.transaction() as tx:
        assert store.drop(tx, [one.id for one in kept(engine)], "ann", "the agents are rolled back")
    wait_until(lambda: agent.beat() or agent.read() or agent.start())
    assert agent.running == [(task_id, 2)]


def test_the_same_words_of_an_agent_of_this_version_are_quarantined(engine: Engine) -> None:
    engine.worker()
    agent = StepAgent(engine.broker, "edge", engine.settings.agent_ttl_seconds)
    engine.broker.report(b'[["ended","%s",1]]' % agent.id.encode())
    wait_until(lambda: engine.broker.quarantine.count() == 1)
    assert kept(engine) == []


def test_a_heartbeat_of_the_next_version_is_a_sign_of_life(engine: Engine) -> None:
    _, agent, task_id = newer_agent_with_a_task(engine)
    agent.run_one()
    beat = msgspec.json.decode(engine.redis.get(engine.broker.keys.heartbeat(agent.id)))
    odd = encode(beat | {"held": {"as": "the next version says"}})
    over = time.monotonic() + engine.settings.agent_ttl_seconds + 1.0

    def outlives_a_ttl() -> bool:
        engine.broker.heartbeat(agent.id, odd, engine.settings.agent_ttl_seconds)
        return time.monotonic() > over

    wait_until(outlives_a_ttl, 30)
    assert engine.task(task_id).state == "in_progress"
    assert engine.broker.quarantine.count() == 0
