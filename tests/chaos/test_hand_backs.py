"""What agents hand back while Redis is away, as when everything is stopped at once, costs no attempt."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskyard.core.task_types.registry import registry
from taskyard.worker.agents import spool
from taskyard.worker.agents.pool_config import AgentSpec
from tests.engine import set_agent_environment
from tests.own_servers import own_engine
from tests.servers import kill_all, wait_until

SPEC = AgentSpec("agent-1", "agent", ("process.*",), (), 2)
PATIENCE_SECONDS = 60.0


def test_hand_backs_outlive_redis_and_their_agents(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.load(["tests.task_types"])
    with own_engine(data_dir, registry) as (engine, servers):
        set_agent_environment(monkeypatch, engine.settings)
        monkeypatch.setenv("TASKYARD_GRACE_SECONDS", "1")
        engine.worker()
        ledger = data_dir / "ledger"
        with engine.pool(SPEC, grace_seconds=10.0):
            given = {"path": str(ledger), "seconds": 8.0}
            [task_id] = engine.submitter.submit_many([{"type": "process.note", "input": given, "max_attempts": 1}])
            wait_until(lambda: ledger.exists() and engine.task(task_id).state == "in_progress", PATIENCE_SECONDS)
            kill_all(servers.redis_processes())
        assert spool.left_behind(data_dir) != []
        servers.restart()
        with engine.pool(SPEC):
            assert engine.wait_for(task_id, timeout_seconds=PATIENCE_SECONDS).state == "completed"
        assert spool.left_behind(data_dir) == []
        assert [line.split()[1] for line in ledger.read_text().splitlines()] == ["1", "2"]
        assert "attempt_failed" not in engine.events(task_id)
