"""An attempt that can't be stopped: its agent is replaced, and nothing else suffers by that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from taskyard.core.config import Settings
from taskyard.core.models import Task
from taskyard.core.task_types.registry import registry
from taskyard.worker.agents import stuck_attempts
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.dispatch import recovery
from taskyard.worker.isolation.watch import MAX_EXTENSION_SECONDS
from taskyard.worker.isolation.watchdog import GRACE_SECONDS
from tests.engine import Engine, running_engine, set_agent_environment
from tests.servers import wait_until

SPEC = AgentSpec("agent-1", "agent", ("process.*", "thread.*", "async.*"), (), 3)
INNOCENT_SECONDS = 9.0
DEAF_AFTER_SECONDS = 2.5  # so that the test need not take a minute


@pytest.fixture
def engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    set_agent_environment(monkeypatch, settings)
    monkeypatch.setattr(recovery, "DEAF_AFTER_SECONDS", DEAF_AFTER_SECONDS)
    registry.load(["tests.task_types"])
    with running_engine(settings, registry) as engine:
        engine.worker()
        yield engine


def when(engine: Engine, task_id: str, event: str) -> datetime:
    return next(entry.at for entry in engine.history(task_id) if entry.event == event)


def beside_innocents(engine: Engine, stuck_type: str, seconds: float) -> tuple[Task, list[Task]]:
    """Runs an attempt that goes on for `seconds` after its timeout, next to two that do nothing wrong."""
    sleeping = {"type": "process.sleep", "input": {"seconds": INNOCENT_SECONDS}}
    innocent_ids = engine.submitter.submit_many([sleeping, sleeping])
    wait_until(lambda: engine.counts() == {"in_progress": 2})
    [before] = engine.online()
    stuck_id = engine.submit(stuck_type, {"seconds": seconds}, timeout_seconds=0.5, max_attempts=2)
    engine.wait_for_all(innocent_ids, timeout_seconds=30)
    wait_until(lambda: engine.task(stuck_id).attempt == 2, 30)
    stuck, innocents = engine.task(stuck_id), [engine.task(task_id) for task_id in innocent_ids]
    assert stuck.assigned_agent_id != before.id
    assert engine.agent_state(before.id) in ("left", None)
    engine.submitter.cancel(stuck_id, actor="me")
    return stuck, innocents


@pytest.mark.parametrize("stuck_type", ["thread.swallow_all", "async.stubborn"])
@pytest.mark.slow
def test_others_finish_and_it_is_not_run_twice_at_a_time(engine: Engine, stuck_type: str) -> None:
    with engine.pool(SPEC):
        stuck, innocents = beside_innocents(engine, stuck_type, seconds=60)
        for task in innocents:
            assert (task.state, task.attempt, task.refunded) == ("completed", 1, 0)
            assert when(engine, task.id, "completed") <= when(engine, stuck.id, "attempt_failed")
        [failure] = [entry for entry in engine.history(stuck.id) if entry.event == "attempt_failed"]
        assert "timeout" in str(failure.detail)
        assert "did not stop within 2 s" in str(failure.detail)
        assert [e for e in engine.logs if e["event"] in ("agent.deaf", "agent.lost")] == []
        assert "stale_result" not in engine.events(stuck.id)


@pytest.mark.parametrize("stuck_type", ["thread.swallow_all", "async.stubborn"])
@pytest.mark.slow
def test_its_end_is_told_as_soon_as_it_stops_after_all(engine: Engine, stuck_type: str) -> None:
    with engine.pool(SPEC):
        stuck, innocents = beside_innocents(engine, stuck_type, seconds=4)
        for task in innocents:
            assert (task.state, task.attempt, task.refunded) == ("completed", 1, 0)
            assert when(engine, task.id, "completed") > when(engine, stuck.id, "attempt_failed")


def test_the_agent_tells_its_end_before_the_leader_does() -> None:
    limit = recovery.OVERDUE_GRACE_SECONDS
    assert limit > stuck_attempts.REPORT_AFTER_SECONDS
    assert GRACE_SECONDS + MAX_EXTENSION_SECONDS <= stuck_attempts.REPORT_AFTER_SECONDS
