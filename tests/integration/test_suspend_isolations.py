"""Suspending handlers in processes, threads and coroutines, in agent processes at Redis and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.attempts.suspension import signal
from taskyard.worker.engines.settings import EngineSettings
from tests import servers
from tests.client.apis import running_api
from tests.databases import Databases
from tests.engine import Engine, Payload, engine_with_agent
from tests.remote_agents import agent_token, remote_inline_agent
from tests.task_types.suspending import Go

SPEC = AgentSpec("shared-1", "shared", ("process.*", "thread.*", "async.*"), (), 3)


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
    spec = replace(SPEC, engine=request.param)
    with engine_with_agent(server_endpoints, databases, tmp_path_factory.mktemp("data"), spec) as engine:
        yield engine


@pytest.mark.parametrize("isolation", ["thread", "process", "async"])
@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("seconds", {"big": 2**53}),
        ("signal", 7),
        ("children", [[str(n), {"number": n}] for n in range(3)]),
        ("retry after", None),
    ],
)
def test_every_isolation_suspends(shared: Engine, isolation: str, what: str, found: Any) -> None:
    task_id = shared.submit(f"{isolation}.wait", {"what": what})
    if what == "signal":
        shared.wait_for(task_id, "suspended")
        shared.submitter.send_signal(task_id, "go", {"n": 7}, actor="test")
    task = shared.wait_for(task_id)
    assert (task.state, task.error) == ("completed", None)
    assert task.output["found"] == found
    if what != "children":  # which may have ended before it asks
        assert task.output["attempt"] == 2
    events = [event for event in shared.history(task_id) if event.event == "suspended"]
    assert (task.attempt, task.refunded) == (1 + len(events), len(events))
    assert all(event.run_seconds is not None for event in events)


def test_an_agent_over_http_suspends_and_goes_on(engine: Engine) -> None:
    def wait(given: Payload, context: Any) -> Payload:
        if context.last_checkpoint is None:
            context.submit("demo.echo", {"a": 2})
        go = context.suspend(signal("go", Go, timeout_seconds=60), state="asked")
        return Payload(n=go.n, attempt=context.attempt)

    engine.define("demo.wait", wait)
    engine.worker()
    with running_api(engine.settings) as api:
        token = agent_token(engine, "edge", "demo.*")
        with remote_inline_agent(engine, api.url, token, "edge", "demo.*"):
            task_id = engine.submit("demo.wait")
            engine.wait_for(task_id, "suspended")
            assert engine.submitter.send_signal(task_id, "go", {"n": 3}, actor="test")
            assert engine.wait_for(task_id).output == {"n": 3, "attempt": 2}
