"""Agents as processes of their own, kept by the pool: what they do to tasks when they or their handlers die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from taskyard.core.config import Settings
from taskyard.core.task_types.registry import registry
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.engines.settings import EngineSettings
from tests import servers
from tests.databases import Databases
from tests.engine import Engine, engine_with_agent, running_engine, set_agent_environment
from tests.servers import wait_until

SPEC = AgentSpec("shared-1", "shared", ("process.*", "thread.*", "async.*", "diagnostic.*"), (), 3)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(None, id="here"),
        pytest.param(EngineSettings("local"), id="seats", marks=pytest.mark.slow),
    ],
)
def shared(
    request: pytest.FixtureRequest,
    server_endpoints: servers.Endpoints,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Engine]:
    """An engine with one agent process, for tests that leave it alive."""
    spec = replace(SPEC, engine=request.param)
    with engine_with_agent(server_endpoints, databases, tmp_path_factory.mktemp("data"), spec) as engine:
        yield engine


@pytest.fixture
def engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine of the test's own."""
    set_agent_environment(monkeypatch, settings)
    registry.load(["tests.task_types"])
    with running_engine(settings, registry) as engine:
        engine.worker()
        yield engine


def pid_of(engine: Engine, name: str) -> int:
    return next(agent.pid for agent in engine.online() if agent.name == name)


@pytest.mark.parametrize("isolation", ["thread", "process", "async"])
def test_every_isolation_completes(shared: Engine, isolation: str) -> None:
    task = shared.wait_for(shared.submit(f"{isolation}.noop", {"number": 7}))
    assert (task.state, task.output) == ("completed", {"number": 7})


def test_crashed_handler_is_retried_and_its_agent_lives_on(shared: Engine) -> None:
    agent = pid_of(shared, "shared-1")
    task_id = shared.submit("process.die", {"case": "os._exit"}, max_attempts=1)
    again_id = shared.submit("diagnostic.crash", max_attempts=2)
    task = shared.wait_for(task_id)
    assert (task.state, task.error["class"]) == ("failed", "crashed")
    again = shared.wait_for(again_id)
    assert (again.state, again.attempt, again.error["class"]) == ("failed", 2, "crashed")
    assert shared.wait_for(shared.submit("process.noop", {"number": 1})).state == "completed"
    assert pid_of(shared, "shared-1") == agent


@pytest.mark.parametrize("type", ["thread.spin", "process.spin", "async.sleep"])
def test_timeout(shared: Engine, type: str) -> None:
    given = {"seconds": 30} if type == "async.sleep" else {}
    task_id = shared.submit(type, given, timeout_seconds=0.3, max_attempts=1)
    task = shared.wait_for(task_id)
    assert (task.state, task.attempt, task.error["class"]) == ("failed", 1, "timeout")
    assert 0.2 <= (task.finished_at - task.started_at).total_seconds() < 5


def test_unstorable_output_fails_alone(shared: Engine) -> None:
    bad = shared.submit("process.output", {"case": "nul"})
    good = [shared.submit("process.noop", {"number": n}) for n in range(5)]
    shared.wait_for_all(good)
    task = shared.wait_for(bad)
    assert (task.state, task.attempt, task.error["class"]) == ("failed", 1, "unstorable")


def test_handler_in_a_process_asks_and_is_answered(shared: Engine) -> None:
    saved = shared.wait_for(shared.submit("process.slow_request"))
    assert (saved.state, saved.checkpoint) == ("completed", "slow")
    refused = shared.wait_for(shared.submit("process.refused"))
    assert (refused.state, refused.error["class"]) == ("failed", "permanent")
    assert "demo.unknown" in refused.error["message"]


def test_cancelled_handler_in_a_process_stops(shared: Engine, tmp_path: Path) -> None:
    path = tmp_path / "state"
    task_id = shared.submit("process.wait_for_cancel", {"path": str(path)})
    wait_until(lambda: path.exists() and path.read_text() == "started")
    shared.submitter.cancel(task_id, actor="me")
    wait_until(lambda: path.read_text() == "cleaned up", 5)
    wait_until(lambda: "stale_result" in shared.events(task_id), 5)
    assert shared.task(task_id).state == "cancelled"


@pytest.mark.slow
def test_an_agent_whose_descriptors_a_task_closed_is_replaced_before_its_neighbours_are_used_up(engine: Engine) -> None:
    with engine.pool(AgentSpec("agent-1", "agent", ("process.*", "thread.*"), (), 3)):
        engine.wait_for(engine.submit("process.noop"))
        (before,) = (agent.pid for agent in engine.online())
        others = [engine.submit("process.sleep", {"seconds": 0.5}, max_attempts=3) for _ in range(6)]
        engine.wait_for(others[0], "in_progress")
        closer = engine.submit("thread.close_descriptors", max_attempts=1)
        engine.wait_for(closer, "completed", "failed", timeout_seconds=30)
        for task_id in others:
            assert engine.wait_for(task_id, "completed", "failed", timeout_seconds=60).state == "completed"
        assert [agent.pid for agent in engine.online()] != [before]


def test_killed_agents_work_runs_elsewhere_within_two_seconds(engine: Engine) -> None:
    specs = [AgentSpec(f"agent-{n}", "agent", ("process.*", "thread.*"), (), 2) for n in (1, 2)]
    with engine.pool(*specs):
        # known as short ones, some are queued ahead on each agent (but not so short that a slot starts several)
        short = {"type": "process.sleep", "input": {"seconds": 0.003}}
        engine.wait_for_all(engine.submitter.submit_many([short] * 40))
        ids = engine.submitter.submit_many([{"type": "process.sleep", "input": {"seconds": 60}}] * 8)
        wait_until(lambda: engine.counts() == {"completed": 40, "in_progress": 4, "assigned": 4})
        victim = next(agent for agent in engine.online() if agent.name == "agent-1")
        before = [task for task in map(engine.task, ids) if task.assigned_agent_id == victim.id]
        started = [task.id for task in before if task.state == "in_progress"]
        unstarted = [task.id for task in before if task.state == "assigned"]
        assert (len(started), len(unstarted)) == (2, 2)
        os.kill(victim.pid, signal.SIGKILL)
        killed = time.monotonic()
        wait_until(
            lambda: all(engine.task(task_id).assigned_agent_id != victim.id for task_id in (*started, *unstarted))
        )
        assert time.monotonic() - killed < 2
        for task_id in started:
            (event,) = [e for e in engine.history(task_id) if e.event == "attempt_failed"]
            assert (event.detail["class"], event.agent_id) == ("agent_lost", victim.id)
            assert engine.task(task_id).refunded == 0
        for task_id in unstarted:
            assert "handed_back" in engine.events(task_id)
            assert engine.task(task_id).refunded == 1
        assert engine.agent_state(victim.id) in ("lost", None)  # None: its successor is there already
        wait_until(lambda: any(a.name == "agent-1" and a.id != victim.id for a in engine.online()), 20)
        for task_id in ids:
            engine.submitter.cancel(task_id, actor="me")


@pytest.mark.what_can_fail(9)
def test_task_that_kills_its_agent_is_failed_not_looped(engine: Engine) -> None:
    with engine.pool(AgentSpec("agent-1", "agent", ("thread.*",), (), 1)):
        task_id = engine.submit("thread.die", {"case": "os._exit"}, max_attempts=2)
        task = engine.wait_for(task_id, timeout_seconds=20)
    assert (task.state, task.attempt, task.refunded, task.error["class"]) == ("failed", 2, 0, "agent_lost")


@pytest.mark.what_can_fail(12)
def test_sigterm_lets_a_short_task_finish_and_hands_a_long_one_back(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKYARD_GRACE_SECONDS", "1.5")
    with engine.pool(AgentSpec("agent-1", "agent", ("process.*",), (), 2), grace_seconds=1.5) as pool:
        assert engine.wait_for(engine.submit("process.noop")).state == "completed"  # its children can start now
        short = engine.submit("process.sleep", {"seconds": 0.5})
        long = engine.submit("process.sleep", {"seconds": 600})
        for task_id in (short, long):
            engine.wait_for(task_id, "in_progress")
        agent = next(iter(engine.online()))
        children = psutil.Process(agent.pid).children(recursive=True)
        assert children
        pool.stop()
        task = engine.wait_for(long, "pending")
        assert (task.attempt, task.refunded) == (1, 1)
        assert engine.wait_for(short).state == "completed"
    wait_until(lambda: engine.agent_state(agent.id) == "left", 10, "the leader has read its farewell")
    assert psutil.wait_procs(children, timeout=2)[1] == []


def children_of(engine: Engine, parent: str) -> int:
    with engine.database.transaction() as tx:
        rows = tx.rows("SELECT count(*) FROM tasks WHERE workflow_id = %(id)s AND id <> %(id)s", {"id": parent})
    return int(rows[0][0])


def test_a_parent_that_is_killed_again_and_again_bears_each_child_once(shared: Engine) -> None:
    task_id = shared.submit("process.bear", {"case": "kills"}, max_attempts=6)
    task = shared.wait_for(task_id)
    assert (task.state, task.output) == ("completed", {"value": 5})
    assert children_of(shared, task_id) == 4


def test_a_process_that_a_handler_forks_is_told_to_leave_submitting_to_it(shared: Engine) -> None:
    task_id = shared.submit("process.bear", {"case": "forked"}, max_attempts=1)
    task = shared.wait_for(task_id)
    assert task.output is not None
    assert "expected a call from the handler's own process" in task.output["value"]
    assert children_of(shared, task_id) == 0
