"""An agent class of a user, started by the pool in a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from taskyard.core.config import Settings
from taskyard.core.postgres.store import tasks
from taskyard.core.task_types.registry import registry
from taskyard.worker.agents.pool_config import AgentSpec
from tests.engine import Engine, running_engine, set_agent_environment
from tests.servers import wait_until

MINE = AgentSpec("mine-1", "mine", ("diagnostic.echo",), (), 2, "tests.agent_classes:Mine")


@pytest.fixture
def engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    set_agent_environment(monkeypatch, settings)
    registry.load()
    with running_engine(settings, registry) as engine:
        engine.worker()
        yield engine


def test_the_pool_runs_it_and_starts_the_same_again(engine: Engine) -> None:
    with engine.pool(MINE):
        first = engine.wait_for(engine.submit("diagnostic.echo", {"value": 1}))
        assert first.output is not None
        (value, name, kind, pid) = first.output["value"]
        assert (value, name, kind) == (1, "Mine", "mine")
        with engine.database.transaction() as tx:
            (agent,) = tasks.agents(tx)
        assert (agent.pid, agent.agent_class) == (pid, MINE.agent_class)
        os.kill(pid, signal.SIGKILL)
        second = engine.wait_for(engine.submit("diagnostic.echo", {"value": 2}))
        assert second.output is not None
        assert second.output["value"][:3] == [2, "Mine", "mine"]
        assert second.output["value"][3] != pid


def test_what_its_code_does_ends_its_own_attempt_only(engine: Engine) -> None:
    odd = ["text", "another's", "no JSON", "no class", "long ago", "an object", *["raises"] * 4]
    with engine.pool(MINE):
        pid = engine.online()[0].pid
        ids = [engine.submit("diagnostic.echo", {"value": value}, max_attempts=1) for value in odd]
        for value, task_id in zip(odd, ids, strict=True):
            ended = engine.wait_for(task_id)
            assert (ended.state, ended.error and ended.error["class"]) == ("failed", "crashed"), value
        waits = engine.submit("diagnostic.echo", {"value": "waits"})
        wait_until(lambda: engine.task(waits).state == "in_progress")
        engine.submitter.cancel(waits, actor="me")
        assert engine.wait_for(waits).state == "cancelled"
        good = engine.wait_for(engine.submit("diagnostic.echo", {"value": "good"}))
        assert good.output is not None
        assert good.output["value"][3] == pid, "no thread of it has died meanwhile"
