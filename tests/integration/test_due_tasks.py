"""A task that is due counts as waiting, whether it was delayed, is retried, or was suspended until now."""

from __future__ import annotations

import pytest

from taskyard.core.clock import Clock
from taskyard.core.errors import RetryAfter
from taskyard.core.postgres.store import tasks
from taskyard.core.reasons import Reasons
from taskyard.core.redis.pools import KindReport, PoolReport, Pools
from taskyard.core.states import TaskState
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.monitor import observer as observing
from taskyard.worker.monitor.monitor import Monitor
from tests.engine import Engine, Payload
from tests.servers import wait_until

SLEEPER = KindReport("sleeper", ["due.*"], [], 2, configured=0, wanted=0, running=0, leaving=0)
SOON_SECONDS = 1.0


def nap(given: Payload, context: TaskContext) -> Payload:
    context.suspend(SOON_SECONDS, state={"n": 1})
    return Payload.model_validate({})


def fail(given: Payload, context: TaskContext) -> Payload:
    raise RetryAfter(SOON_SECONDS, "later")


def test_what_is_due_calls_for_agents_and_is_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "COUNT_SHARE", 1.0)
    engine.define("due.nap", nap)
    engine.define("due.fail", fail)
    engine.define("due.late", lambda given, context: given)
    worker = engine.worker()
    agent = engine.agent()
    found = [engine.submit("due.nap"), engine.submit("due.fail"), engine.submit("due.late", delay_seconds=3600)]
    states = (TaskState.SUSPENDED, TaskState.SCHEDULED, TaskState.SCHEDULED)
    wait_until(lambda: tuple(engine.task(id_).state for id_ in found) == states)
    agent.stop()
    found.append(engine.submit("due.late", delay_seconds=SOON_SECONDS))

    monitor = Monitor(engine.settings, engine.database, engine.broker, worker.dispatcher, "test", Clock())

    def ready() -> dict[str, int]:
        with engine.database.transaction() as tx:
            return {one.lane.type: one.count for one in tasks.waiting_lanes(tx)}

    wait_until(lambda: ready() == {"due.nap": 1, "due.fail": 1, "due.late": 1})
    monitor.observer._count_after = 0.0
    Pools(engine.redis, engine.broker.keys).exchange(PoolReport("a:1", "a", [SLEEPER]))
    live = monitor.observer.observe()
    assert live is not None
    assert {lane.type: lane.ready for lane in live.lanes} == ready()
    assert [pool.needed for pool in live.pools] == [1]
    with engine.database.transaction() as tx:
        reasons = Reasons.read(tx)
    told = [reasons.of_task(engine.task(id_)) for id_ in found]
    assert told == ["no agent is registered", "no agent is registered", None, "no agent is registered"]
