"""Agents that come by the API instead of Redis: the same rules hold."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from taskyard.api.authentication import KNOWN_SECONDS
from taskyard.core.access.identity import local_actor
from taskyard.core.access.permissions import Role
from taskyard.core.errors import PermanentError
from taskyard.core.protocol import Restart, encode
from taskyard.core.submission import authorized_access
from taskyard.core.task_types.registry import registry
from taskyard.worker.agents.launch import EXIT_REFUSED
from tests.client.apis import ApiProcess, running_api
from tests.engine import Engine, Payload
from tests.integration.test_schedules import Yard
from tests.remote_agents import agent_process, agent_token, remote_inline_agent
from tests.servers import wait_until

V1 = "/api/v1"
POLLS = 200


@pytest.fixture
def api(engine: Engine) -> Iterator[ApiProcess]:
    """The API of the engine's installation, and a worker that leads."""
    engine.worker()
    with running_api(engine.settings) as api:
        yield api


def http(api: ApiProcess, token: str) -> httpx.Client:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"{api.url}{V1}/agent", headers=headers, trust_env=False, timeout=40)


def test_an_agent_over_http_does_what_one_at_redis_does(engine: Engine, api: ApiProcess, gate: Any) -> None:
    seen: dict[str, Any] = {}

    def everything(given: Payload, context: Any) -> Payload:
        context.progress(0.5, "half")
        context.log("a line")
        context.checkpoint({"n": 1})
        seen["child"] = context.submit("demo.echo", {"a": 2})
        seen["sent"] = context.send("edge", {"hello": 1})
        message = context.receive(timeout_seconds=5)
        seen["message"] = message.body
        context.ack(message)
        return Payload(a=1)

    engine.define("demo.all", everything)
    token = agent_token(engine, "edge", "demo.*")
    with remote_inline_agent(engine, api.url, token, "edge", "demo.*") as agent:
        done = engine.wait_for(engine.submitter.submit("demo.all", {}))
        assert (done.state, done.output, seen["message"]) == ("completed", {"a": 1}, {"hello": 1})
        assert engine.wait_for(seen["child"]).state == "completed"
        events = {event.event for event in engine.history(done.id)}
        assert {"assigned", "log", "completed"} <= events, events
        running = engine.submitter.submit("demo.gate", {})
        engine.wait_for(running, "in_progress")  # only a start whose end does not follow at once is an event of its own
        assert "started" in {event.event for event in engine.history(running)}
        engine.submitter.cancel(running, actor="test")
        wait_until(lambda: all(channel.cancelled for channel in agent.agent._slots.running.values()))
        gate.open.set()
        assert engine.task(running).state == "cancelled"
        wait_until(lambda: engine.broker.leftovers()["inbox entries"] == 0)
    wait_until(lambda: engine.agent_state(agent.id) == "left")


def test_an_agent_over_http_knows_fire_times(engine: Engine, api: ApiProcess) -> None:
    """A schedule's task is told for which fire time it runs, others none."""

    def tells(given: Payload, context: Any) -> Payload:
        return Payload(a=0 if context.scheduled_for is None else int(context.scheduled_for.timestamp()))

    engine.define("demo.tells", tells)
    yard = Yard(engine)
    yard.create("hourly", what={"type": "demo.tells", "input": {}}, cron="@hourly")
    token = agent_token(engine, "edge", "demo.*")
    with remote_inline_agent(engine, api.url, token, "edge", "demo.*"):
        ran = engine.wait_for(yard.run("hourly"), "completed")
        assert ran.scheduled_for is not None
        assert ran.output == {"a": int(ran.scheduled_for.timestamp())}
        assert engine.wait_for(engine.submit("demo.tells"), "completed").output == {"a": 0}


def test_what_the_role_does_not_permit_is_answered_at_once(engine: Engine, api: ApiProcess) -> None:
    refusals: list[str] = []

    def child(given: Payload, context: Any) -> Payload:
        for act in (lambda: context.submit("code.run", {"code": "1"}), lambda: context.checkpoint("x" * (2 << 20))):
            try:
                act()
            except PermanentError as error:
                refusals.append(str(error))
        return Payload()

    engine.define("demo.child", child)
    engine.registry.types["code.run"] = registry.load().types["code.run"]
    with remote_inline_agent(engine, api.url, agent_token(engine, "edge", "demo.*"), "edge", "demo.*"):
        assert engine.wait_for(engine.submitter.submit("demo.child", {})).state == "completed"
    assert "may not submit tasks of type code.run" in refusals[0]
    assert refusals[1].startswith("checkpoint: the output")


def test_the_same_report_twice_counts_once(engine: Engine, api: ApiProcess) -> None:
    engine.define("demo.slow", lambda given, context: Payload())
    token = agent_token(engine, "edge")
    with remote_inline_agent(engine, api.url, token, "edge") as agent, http(api, token) as client:
        sent: list[bytes] = []
        report = agent.agent.outbox._broker.report

        def twice(payload: bytes) -> bytes:
            sent.append(payload)
            report(payload)
            return report(payload)

        agent.agent.outbox._broker.report = twice  # type: ignore[method-assign]
        ids = [engine.submitter.submit("demo.slow", {}) for _ in range(20)]
        engine.wait_for_all(ids)
        for payload in sent:
            assert client.post("/reports", content=payload).status_code == 200
        wait_until(lambda: engine.broker.results_length() == 0)
        for id_ in ids:
            assert [event.event for event in engine.history(id_)].count("completed") == 1


def test_only_agents_come_in_and_only_as_themselves(engine: Engine, api: ApiProcess) -> None:
    with engine.database.transaction() as tx:
        authorized_access.create(tx, local_actor(), "ci", Role.ADMIN, kind="service")
        service, _ = authorized_access.make_token(tx, local_actor(), "ci")
        authorized_access.create(tx, local_actor(), "narrow", Role.VIEWER, kind="agent", queues=("reports",))
        narrow, _ = authorized_access.make_token(tx, local_actor(), "narrow")
    token = agent_token(engine, "edge", "demo.*")
    for other in (service, narrow):
        with http(api, other) as client:
            assert client.get("/self").status_code == 403
    with http(api, token) as client:
        assert client.get("/self").json()["name"] == "edge"
        foreign = encode([["gone", "other:b1", "left", ""]])
        answer = client.post("/reports", content=foreign)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"][0]["field"] == "reports.0.agent_id"
        assert client.get("/boots/a:b/orders").status_code == 422
        assert client.get("/boots/b/orders", params={"wait": 31}).status_code == 422
        assert client.get("/boots/b/orders", params={"after": "x"}).status_code == 422
        assert client.post("/reports", content=b"x" * (10 << 20)).status_code == 413
    assert engine.broker.results_length() == 0, "nothing of it was passed on"
    with httpx.Client(base_url=api.url, trust_env=False) as local:
        assert local.get(f"{V1}/agent/self").status_code == 403, "a program of this machine is no agent"


def test_agents_that_wait_hold_up_nobody(engine: Engine, api: ApiProcess) -> None:
    token = agent_token(engine, "edge")

    async def wait_and_ask() -> float:
        headers = {"authorization": f"Bearer {token}"}
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=40, limits=limits) as client:
            url = f"{api.url}{V1}/agent"
            asked = (client.get(f"{url}/boots/b{number}/orders", params={"wait": 20}) for number in range(POLLS))
            polls = [asyncio.create_task(one) for one in asked]
            await asyncio.to_thread(wait_until, lambda: waiting(engine) >= POLLS, 30, "all wait")
            slowest = 0.0
            for _ in range(20):
                began = time.monotonic()
                assert (await client.get(f"{url}/self")).status_code == 200
                slowest = max(slowest, time.monotonic() - began)
            assert waiting(engine) >= POLLS, "all wait still"
            for number in range(POLLS):
                engine.broker.send_order(f"edge:b{number}", Restart())
            answers = await asyncio.gather(*polls)
            assert {len(answer.json()["entries"]) for answer in answers} == {1}
            return slowest

    assert asyncio.run(wait_and_ask()) < 1.0
    wait_until(lambda: waiting(engine) < POLLS)


def waiting(engine: Engine) -> int:
    """How many connections wait in Redis."""
    return int(engine.redis.info("clients")["blocked_clients"])


@pytest.mark.slow
def test_a_revoked_token_ends_the_agent_and_its_task_is_run_elsewhere(
    engine: Engine, api: ApiProcess, tmp_path: Path
) -> None:
    registry.load()
    engine.registry.types.update(registry.types)
    token = agent_token(engine, "edge", "diagnostic.*")
    pool = tmp_path / "pool.toml"
    pool.write_text('[[agents]]\nkind = "edge"\ntypes = ["diagnostic.*"]\n')
    with agent_process(api.url, token, tmp_path / "data", "--pool", str(pool)) as process:
        task = engine.submitter.submit("diagnostic.sleep", {"seconds": 60})
        engine.wait_for(task, "in_progress", timeout_seconds=30)
        for one in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)):
            assert token not in " ".join(one.cmdline())
            if one.pid != process.pid and os.geteuid() == 0:
                assert token not in one.environ().values()
        with engine.database.transaction() as tx:
            authorized_access.disable(tx, local_actor(), "edge")
        assert process.wait(30) == EXIT_REFUSED
        assert process.stderr is not None
        said = process.stderr.read().decode()
        assert "token_refused" in said
        assert token not in said
    engine.wait_for(task, "pending", "scheduled", timeout_seconds=30)


def test_an_agent_keeps_its_lease_while_postgresql_is_away(engine: Engine, api: ApiProcess, gate: Any) -> None:
    token = agent_token(engine, "edge")
    with remote_inline_agent(engine, api.url, token, "edge") as agent:
        boot, task = agent.id, engine.submitter.submit("demo.gate", {})
        engine.wait_for(task, "in_progress", timeout_seconds=20)
        with engine.postgresql_away():
            away = time.monotonic() + 2 * KNOWN_SECONDS  # what the API knows of the token has to be asked again
            wait_until(lambda: time.monotonic() > away)
            wait_until(lambda: agent.agent.heartbeat.silence_seconds < 1.0)
            with http(api, "ty_agent_000000000000_" + 43 * "a") as stranger:
                assert stranger.get("/self").status_code == 503, "an unknown token is not let in meanwhile"
            gate.open.set()
        done = engine.wait_for(task, timeout_seconds=30)
        assert (done.state, done.attempt, agent.id) == ("completed", 1, boot)


def test_a_process_drains_on_sigterm(engine: Engine, api: ApiProcess, tmp_path: Path) -> None:
    registry.load()
    engine.registry.types.update(registry.types)
    token = agent_token(engine, "edge", "diagnostic.*")
    with agent_process(api.url, token, tmp_path / "data") as process:
        engine.wait_for_all(
            [engine.submitter.submit("diagnostic.echo", {"value": n}) for n in range(5)], "completed", 30
        )
        [agent] = [one for one in engine.online() if one.name == "edge"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    wait_until(lambda: engine.agent_state(agent.id) == "left")
