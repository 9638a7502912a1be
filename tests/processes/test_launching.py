"""Processes of agents that are started ahead of time, and wait until they are told to begin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskyard.worker.agents.launching import LaunchedAhead, launched_ahead
from taskyard.worker.agents.pool_config import AgentSpec, load_pool, plain_agents
from tests.servers import wait_until

NOBODY = "redis://127.0.0.1:1"
SPEC = AgentSpec("early-1", "early", ("diagnostic.*",), (), 1)


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LaunchedAhead]:
    monkeypatch.chdir(tmp_path)
    with launched_ahead([SPEC], NOBODY) as ahead:
        yield ahead


def test_one_that_is_not_told_to_begin_ends_by_itself(ahead: LaunchedAhead) -> None:
    """As when its supervisor is killed: it has the only other end of its standard input."""
    launched = ahead.take(SPEC)
    assert launched is not None
    assert launched.process.stdin is not None
    launched.process.stdin.close()
    assert launched.process.wait(30) == 0
    launched.health.hear()
    assert launched.health.failure == ""
    launched.health.close()


def test_one_that_is_told_to_begin_does(ahead: LaunchedAhead) -> None:
    launched = ahead.take(SPEC)
    assert launched is not None
    assert len(launched.begin()) == 32
    wait_until(lambda: launched.health.hear() or launched.health.report is not None)
    assert launched.process.poll() is None, "it waits for Redis"
    launched.drop()


def test_each_is_taken_once(ahead: LaunchedAhead) -> None:
    launched = ahead.take(SPEC)
    assert launched is not None
    assert launched.agent_id.startswith("early-1:")
    assert ahead.take(SPEC) is None
    launched.drop()


def test_one_for_another_agent_of_that_name_is_ended(ahead: LaunchedAhead) -> None:
    [process] = [one.process for one in ahead._waiting.values()]
    assert ahead.take(AgentSpec("early-1", "early", ("code.*",), (), 1)) is None
    assert process.returncode is not None


def test_one_that_has_died_is_not_taken(ahead: LaunchedAhead) -> None:
    [process] = [one.process for one in ahead._waiting.values()]
    process.kill()
    process.wait()
    assert ahead.take(SPEC) is None


def test_those_that_nobody_took_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    with launched_ahead([SPEC, AgentSpec("early-2", "early", ("*",), (), 1), SPEC], NOBODY) as ahead:
        processes = [one.process for one in ahead._waiting.values()]
        assert len(processes) == 2, "one processor is this process's"
    assert all(process.returncode is not None for process in processes)


def test_none_is_started_that_needs_more_than_the_pool_file(tmp_path: Path) -> None:
    file = tmp_path / "pool.toml"
    file.write_text(
        '[[agents]]\nkind = "plain"\ncount = 2\ntypes = ["*"]\n'
        '[[agents]]\nkind = "own"\ntypes = ["*"]\nagent_class = "no_such_module:Agent"\n'
        '[[agents]]\nkind = "far"\ntypes = ["*"]\n[agents.engine]\nname = "ray"\n'
    )
    assert [spec.name for spec in plain_agents(file, "")] == ["plain-1", "plain-2"]
    assert plain_agents(None, "x") == load_pool(None, "x")
    for wrong in ("[[agents", "[[agents]]\nkind = 1", "agents = 3"):
        file.write_text(wrong)
        assert plain_agents(file, "") == []
    assert plain_agents(tmp_path / "none.toml", "") == []
