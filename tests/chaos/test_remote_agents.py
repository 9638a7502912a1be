"""Agents that come by the API, and what comes between: a network that is gone, an API that is killed, TLS."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from taskyard.core.task_types.registry import registry
from taskyard.worker.cli.exits import UNAVAILABLE
from tests.certificates import make_certificate
from tests.client.apis import Link, running_api
from tests.engine import Engine, Payload, running_engine
from tests.remote_agents import agent_process, agent_token, remote_inline_agent
from tests.servers import wait_until

TTL_SECONDS = {"short": 5.0, "long": 10.0}  # a busy machine is silent for 3 s at times
AWAY_SECONDS = {"short": 11.0, "long": 60.0}


@pytest.fixture(params=["short", pytest.param("long", marks=pytest.mark.slow)])
def length(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def leased(settings: Any, length: str) -> Iterator[Engine]:
    """An engine with a worker, whose agents' leases last so long."""
    with running_engine(settings.model_copy(update={"agent_ttl_seconds": TTL_SECONDS[length]})) as engine:
        engine.worker()
        yield engine


def completions(engine: Engine, task_id: str) -> int:
    return [event.event for event in engine.history(task_id)].count("completed")


@pytest.mark.slow
def test_a_network_that_is_gone_for_less_than_the_lease_costs_nothing(engine: Engine) -> None:
    engine.worker()
    began, go_on = threading.Event(), threading.Event()

    def work(given: Payload, context: Any) -> Payload:
        began.set()
        go_on.wait(30)
        return given

    engine.define("demo.work", work)
    token = agent_token(engine, "edge")
    with running_api(engine.settings) as api:
        link = Link(api.port)
        with remote_inline_agent(engine, link.url, token, "edge") as agent:
            task = engine.submitter.submit("demo.work", {"n": 1})
            assert began.wait(20)
            link.cut()
            link.silence()
            go_on.set()
            away = time.monotonic() + 3.0
            wait_until(lambda: time.monotonic() > away)
            assert engine.task(task).state == "in_progress", "its result is under way"
            link.restore()
            done = engine.wait_for(task, timeout_seconds=20)
            assert (done.state, done.attempt, completions(engine, task)) == ("completed", 1, 1)
            assert agent.ran == [(task, 1)]
        link.close()


def test_a_network_that_is_gone_for_longer_than_the_lease(leased: Engine, length: str) -> None:
    engine = leased
    began, go_on = threading.Event(), threading.Event()

    def work(given: Payload, context: Any) -> Payload:
        if not began.is_set():
            began.set()
            go_on.wait(120)
        return given

    engine.define("demo.work", work)
    token = agent_token(engine, "edge")
    with running_api(engine.settings) as api:
        link = Link(api.port)
        with remote_inline_agent(engine, link.url, token, "edge") as agent:
            boot = agent.id
            task = engine.submitter.submit("demo.work", {"n": 1})
            assert began.wait(20)
            gone_at = time.monotonic()
            link.silence()
            other = engine.agent("other")
            done = engine.wait_for(task, timeout_seconds=30 + TTL_SECONDS[length])
            assert (done.state, done.attempt) == ("completed", 2), "its lease was over: another agent did it"
            go_on.set()  # it ends while nobody hears it
            wait_until(lambda: time.monotonic() - gone_at > AWAY_SECONDS[length], AWAY_SECONDS[length] + 5)
            link.restore()
            wait_until(lambda: agent.id != boot, 20, "it comes back as another boot")
            stale = lambda: "stale_result" in [event.event for event in engine.history(task)]  # noqa: E731
            wait_until(stale, 20, "what it did in vain is recorded")
            assert completions(engine, task) == 1
            assert (agent.ran, other.ran) == ([(task, 1)], [(task, 2)]), "no attempt ran twice"
            other.stop()
            again = engine.submitter.submit("demo.work", {"n": 2})
            with ExitStack() as replaced:
                wait_until(lambda: engine.task(again).state == "completed" or agent.agent.must_be_replaced, 20)
                if agent.agent.must_be_replaced:  # its lease may end again on a busy machine; its pool does this
                    replaced.enter_context(remote_inline_agent(engine, link.url, token, "edge"))
                assert engine.wait_for(again, timeout_seconds=20).state == "completed", "it works again"
        link.close()


@pytest.mark.slow
def test_an_api_that_is_killed_while_agents_work_loses_and_doubles_nothing(engine: Engine) -> None:
    engine.worker()

    def work(given: Payload, context: Any) -> Payload:
        time.sleep(0.05)
        context.progress(0.5)
        return given

    engine.define("demo.work", work)
    with running_api(engine.settings) as api:
        names = ["edge-1", "edge-2"]
        tokens = [agent_token(engine, name) for name in names]
        with (
            remote_inline_agent(engine, api.url, tokens[0], names[0]) as one,
            remote_inline_agent(engine, api.url, tokens[1], names[1]) as two,
        ):
            ids = [engine.submitter.submit("demo.work", {"n": n}) for n in range(200)]
            for part in (20, 60):
                wait_until(lambda part=part: engine.counts().get("completed", 0) >= part, 60)  # type: ignore[misc]
                api.kill()
                api.start()
            engine.wait_for_all(ids, "completed", timeout_seconds=90)
            assert {completions(engine, id_) for id_ in ids} == {1}
            assert max(Counter([*one.ran, *two.ran]).values()) == 1, "no attempt ran twice"


@pytest.mark.slow
def test_tls_is_verified_and_an_authority_of_one_s_own_can_be_given(engine: Engine, tmp_path: Path) -> None:
    engine.worker()
    engine.registry.types.update(registry.load().types)
    certificate = make_certificate(tmp_path)
    token = agent_token(engine, "edge", "diagnostic.*")
    with running_api(engine.settings, certificate) as api:
        with agent_process(api.url, token, tmp_path / "stranger") as process:
            assert process.wait(60) == UNAVAILABLE
            assert process.stderr is not None
            assert "CERTIFICATE_VERIFY_FAILED" in process.stderr.read().decode()
        with agent_process(api.url, token, tmp_path / "data", "--ca-file", str(certificate.authority)) as process:
            task = engine.submitter.submit("diagnostic.echo", {"value": "over TLS"})
            done = engine.wait_for(task, timeout_seconds=60)
            assert (done.state, done.output) == ("completed", {"value": "over TLS"})
