"""`why` and `agents` on real servers, with a real leader and agents."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.task_types.registry import RetryPolicy
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.cli.app import app
from taskyard.worker.monitor import observer
from taskyard.worker.monitor.monitor import Monitor
from tests.engine import Engine, Payload, running_engine
from tests.integration.test_engine_breaker import BrokenAgent
from tests.servers import wait_until


@pytest.fixture
def engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(observer, "COUNT_SHARE", 1.0)
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    with running_engine(settings) as engine:
        yield engine


@pytest.fixture
def why() -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(app, ["why", *arguments], prog_name="taskyard")


def test_a_task_behind_others(engine: Engine, why: Callable[..., Result]) -> None:
    gate = threading.Event()

    def wait(given: Payload, context: TaskContext) -> Payload:
        gate.wait(20)
        return given

    engine.define("demo.wait", wait)
    worker = engine.worker()
    engine.agent("only", max_concurrency=1)
    monitor = Monitor(engine.settings, engine.database, engine.broker, worker.dispatcher, "test", Clock())
    running = engine.submit("demo.wait")
    engine.wait_for(running, "in_progress")
    waiting = [engine.submit("demo.wait") for _ in range(3)]

    def answer() -> dict[str, object] | None:
        monitor.observe()
        found = json.loads(why(waiting[-1], "--json").stdout)
        return found if found["agents"] and found["agents"][0]["reason"].startswith("full:") else None

    found = wait_until(answer, 10)
    assert (found["before"], found["lane_depth"], found["state"]) == (2, 3, "pending")
    assert found["agents"] == [{"agent": "only", "takes": False, "can": True, "reason": "full: 1 tasks for 1 slots"}]
    shown = why(waiting[-1]).stdout
    assert "2 tasks of its lane go first" in shown
    assert "3 of 3 in its lane" in shown
    assert "agent only runs it" in why(running).stdout
    gate.set()
    engine.wait_for_all(waiting)
    assert "not waiting: the task is completed" in why(waiting[0]).stdout


def test_without_a_leader_and_without_a_task(engine: Engine, why: Callable[..., Result]) -> None:
    engine.define("demo.wait", lambda given, context: given)
    first = engine.submit("demo.wait")
    second = engine.submit("demo.wait", after=[first])
    assert "no worker leads" in why(first).stdout
    assert f"waits for demo.wait {first}, which is pending" in " ".join(why(second).stdout.split())
    assert why("0199c0de-0000-7000-8000-000000000001").exit_code == 3
    assert why("nonsense").exit_code == 2


def test_agents_show_reliability_and_open_breakers(engine: Engine) -> None:
    """What the roll-ups say of the last day, and what the leader keeps from whom, with the reason."""

    def work(given: Payload, context: TaskContext) -> Payload:
        return given

    engine.define("demo.work", work, retry=RetryPolicy(backoff_seconds=0.2))
    worker = engine.worker()
    engine.agent("good")
    engine.agent("bad", agent_class=BrokenAgent)
    monitor = Monitor(engine.settings, engine.database, engine.broker, worker.dispatcher, "test", Clock())

    def agents(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["agents", *arguments], prog_name="taskyard")

    def opened() -> list[dict[str, Any]] | None:
        engine.wait_for_all([engine.submit("demo.work", max_attempts=50) for _ in range(6)])
        monitor.observe()
        monitor._rollup._provisional_after = 0.0
        monitor.roll_up()
        found = {agent["name"]: agent for agent in json.loads(agents("--json").stdout)}
        return found if found["bad"]["breakers"] else None  # type: ignore[return-value]

    found: Any = wait_until(opened, 20)
    [breaker] = found["bad"]["breakers"]
    assert (breaker["type"], breaker["state"]) == ("demo.work", "open")
    [bad], [good] = found["bad"]["reliability"], found["good"]["reliability"]
    assert (bad["completed"], bad["success_rate"]) == (0, 0.0)
    assert bad["failed"] >= 5
    assert good["success_rate"] == 1.0
    assert good["mean_seconds"] is not None
    shown = agents().stdout
    assert "last 24 hours" in shown
    assert "bad gets no tasks of type demo.work: its last 5 attempts failed (crashed), while" in shown


def test_what_never_starts_says_what_would_free_it(engine: Engine, why: Callable[..., Result]) -> None:
    engine.define("demo.wait", lambda given, context: given)
    parent = engine.submit("demo.wait")
    child = engine.submit("demo.wait", after=[parent])
    grandchild = engine.submit("demo.wait", after=[child])
    needless = engine.submit("demo.wait", after=[parent], when="failed")
    engine.submitter.cancel(parent, actor="me")

    def said(task_id: str) -> str:
        return " ".join(why(task_id).stdout.split())

    assert "not waiting: the task is cancelled" in said(parent)
    depends = f"it depends on demo.wait {parent}, which is cancelled"
    assert f"can't start: {depends}; free it by: taskyard retry {parent} --scope downstream" in said(child)
    assert f"free it by: taskyard retry {grandchild} --scope chain" in said(grandchild)
    engine.submitter.retry(grandchild, actor="me", scope="chain")
    assert f"waits for demo.wait {parent}, which is pending" in said(child)
    assert engine.task(needless).state == "blocked"
    assert f"waits for demo.wait {parent} to fail, which is pending" in said(needless)
    engine.worker()
    engine.agent("only")
    engine.wait_for(grandchild, "completed")
    engine.wait_for(needless, "cancelled")
    assert f"not needed: demo.wait {parent} did not fail, it is completed" in said(needless)
    with engine.database.transaction() as tx:
        tx.rows("DELETE FROM tasks WHERE id = %(id)s", {"id": parent})
    assert f"task {parent}, which it depends on, no longer exists: submit it again" in said(needless)
