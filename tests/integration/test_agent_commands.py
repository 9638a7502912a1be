"""Restarting an agent: real processes, kept by the pool."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from taskyard.core.access.identity import local_actor
from taskyard.core.config import Settings
from taskyard.core.errors import SubmissionError, Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import recovery
from taskyard.core.protocol import decode_heartbeat
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.submission.agent_commands import restart_agent
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.cli.app import app
from tests.engine import Engine, engine_for_processes
from tests.servers import wait_until
from tests.unit.leader_state_support import info

SPEC = AgentSpec("agent-1", "agent", ("process.*",), (), 2)


@pytest.fixture
def engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with engine_for_processes(settings, monkeypatch) as engine:
        yield engine


def audit(database: Database) -> list[tuple[str, str, dict[str, object]]]:
    with database.transaction() as tx:
        rows = tx.rows("SELECT event, actor, detail FROM task_events WHERE task_id IS NULL ORDER BY at", {})
    return [row for row in rows if row[0] == "agent_restarted"]  # type: ignore[misc]


def is_draining(engine: Engine, agent_id: str) -> bool:
    beat = engine.broker.roster(10.0, revive_canary=False).agents.get(agent_id)
    return beat is not None and decode_heartbeat(beat[0]).draining


def test_what_runs_finishes_and_what_waits_is_handed_back_unharmed(engine: Engine) -> None:
    with engine.pool(SPEC):
        short = {"type": "process.sleep", "input": {"seconds": 0.003}}
        engine.wait_for_all(engine.submitter.submit_many([short] * 40))  # so that some are queued ahead
        ids = engine.submitter.submit_many([{"type": "process.sleep", "input": {"seconds": 2.5}}] * 4)
        wait_until(lambda: engine.counts() == {"completed": 40, "in_progress": 2, "assigned": 2})
        running = [task_id for task_id in ids if engine.task(task_id).state == "in_progress"]
        queued = [task_id for task_id in ids if task_id not in running]
        [before] = engine.online()
        assert restart_agent(engine.database, engine.broker, "agent-1", "ann", "new libraries") == [before.id]
        wait_until(lambda: is_draining(engine, before.id), 2)
        after = wait_until(lambda: [agent for agent in engine.online() if agent.id != before.id], 15)[0]
        assert after.name == "agent-1"
        assert after.pid != before.pid
        engine.wait_for_all(ids, timeout_seconds=20)
    for task_id in running:
        task = engine.task(task_id)
        assert (task.attempt, task.refunded, task.assigned_agent_id) == (1, 0, before.id)
    for task_id in queued:
        task = engine.task(task_id)
        assert (task.attempt - task.refunded, task.assigned_agent_id) == (1, after.id)
        assert "handed_back" in engine.events(task_id)
    assert all("attempt_failed" not in engine.events(task_id) for task_id in ids)
    assert audit(engine.database) == [
        ("agent_restarted", "ann", {"name": "agent-1", "boots": [before.id], "reason": "new libraries"})
    ]


def test_what_runs_longer_than_the_grace_goes_back_unharmed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_GRACE_SECONDS", "0.5")
    with engine.pool(SPEC):
        task_id = engine.submit("process.sleep", {"seconds": 60})
        engine.wait_for(task_id, "in_progress")
        [before] = engine.online()
        restart_agent(engine.database, engine.broker, "agent-1", "ann", "")
        again = wait_until(
            lambda: (task := engine.task(task_id)).state == "in_progress" and task.attempt == 2 and task, 20
        )
        assert (again.refunded, again.error) == (1, None)
        assert again.assigned_agent_id != before.id
        assert engine.agent_state(before.id) in ("left", None)
        engine.submitter.cancel(task_id, actor="me")


def test_an_agent_that_is_not_there_is_refused(settings: Settings, engine: Engine) -> None:
    boots = [info("gone:a"), info("there:a")]
    with engine.database.transaction() as tx:
        agents = [{f: getattr(a, f) for f in a.__struct_fields__} | {"state": "online"} for a in boots]
        recovery.register_agents(tx, agents)
        recovery.end_agents(tx, [("gone:a", "left")])
    for name in ("gone", "unknown", "there:a"):
        with pytest.raises(SubmissionError, match=f"agent: '{name}' is not accepted, expected the name of an agent"):
            restart_agent(engine.database, engine.broker, name, "ann", "")
    with connect_redis("redis://127.0.0.1:1") as away, pytest.raises(Unavailable):
        restart_agent(engine.database, Broker(away, "main", settings.placement_of), "there", "ann", "")
    assert audit(engine.database) == []


def test_command(engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("database_url", "redis_url"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    agent = engine.agent("agent-1")
    wait_until(lambda: engine.online())

    def run(*arguments: str) -> object:
        return CliRunner().invoke(app, ["restart", *arguments], prog_name="taskyard")

    assert run("agent", "agent-1").stdout == f"agent agent-1 was asked to restart: {agent.id}\n"
    told = json.loads(run("agent", "agent-1", "--reason", "x", "--json").stdout)
    assert told == {"kind": "agent", "name": "agent-1", "boots": [agent.id]}
    assert [(actor, detail["reason"]) for _, actor, detail in audit(engine.database)] == [
        (local_actor().name, ""),
        (local_actor().name, "x"),
    ]
    wait_until(lambda: agent.agent.must_be_replaced)
    refused = run("agent", "nobody")
    assert refused.exit_code == 2
    assert "agent: 'nobody' is not accepted" in refused.stderr
