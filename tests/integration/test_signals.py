"""Signals by the command line, over HTTP and by the client; bad ones are refused, and nothing is stored."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from taskyard.client import Client
from taskyard.core.access.permissions import Role
from taskyard.core.errors import IllegalTransition, NotPermitted, SubmissionError, TaskNotFound
from taskyard.core.explain import why
from taskyard.core.postgres.store import signals
from taskyard.core.redis.cache import RedisCache
from taskyard.core.signal_limits import MAX_SIGNALS
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.attempts.suspension import signal
from taskyard.worker.cli.app import app
from tests.client.apis import running_api
from tests.engine import Engine, Payload
from tests.remote_agents import service_token

NOBODY = "0199c0de-0000-7000-8000-000000000001"


class Approval(BaseModel):
    by: str


def ask(given: Payload, context: TaskContext) -> Payload:
    answer = context.suspend(signal("approved", Approval, timeout_seconds=3600))
    return Payload.model_validate({"by": answer and answer.by})


@pytest.fixture
def asking(engine: Engine) -> tuple[Engine, str]:
    """An engine, and a task that waits for a signal."""
    engine.define("demo.ask", ask)
    engine.worker()
    engine.agent()
    task_id = engine.submit("demo.ask")
    engine.wait_for(task_id, "suspended")
    return engine, task_id


def stored(engine: Engine, task_id: str) -> int:
    with engine.database.transaction() as tx:
        return len(signals.of_task(tx, task_id))


def test_the_command_line_sends_a_signal(asking: tuple[Engine, str], monkeypatch: pytest.MonkeyPatch) -> None:
    engine, task_id = asking
    for name in ("database_url", "redis_url", "namespace"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(engine.settings, name)))
    runner = CliRunner()
    words = ["signal", task_id, "approved", "--id", "1", "--data"]
    refused = runner.invoke(app, [*words, '{"by": 3}'])
    assert (refused.exit_code, stored(engine, task_id)) == (2, 0)
    assert "data.by: 3 is not accepted, expected what the task waits for" in refused.stderr
    sent = runner.invoke(app, [*words, '{"by": "ann"}', "--json"])
    assert json.loads(sent.stdout) == {"id": task_id, "name": "approved", "is_new": True}
    assert engine.wait_for(task_id).output == {"by": "ann"}
    again = runner.invoke(app, [*words, '{"by": "ann"}'])
    assert again.stdout == f"{task_id} has this signal already\n"


def test_the_client_sends_a_signal_if_it_may(asking: tuple[Engine, str]) -> None:
    engine, task_id = asking
    with running_api(engine.settings) as api:
        with Client(api.url, service_token(engine, "ci", Role.SUBMITTER)) as client, pytest.raises(NotPermitted):
            client.send_signal(task_id, "approved", {"by": "ann"})
        with Client(api.url, service_token(engine, "ops", Role.OPERATOR)) as client:
            with pytest.raises(SubmissionError, match="what the task waits for"):
                client.send_signal(task_id, "approved", {"by": None})
            with pytest.raises(TaskNotFound):
                client.send_signal(NOBODY, "approved", {})
            assert client.send_signal(task_id, "approved", {"by": "ann"}, signal_id="1")
            assert engine.wait_for(task_id).output == {"by": "ann"}
            assert not client.send_signal(task_id, "approved", {"by": "ann"}, signal_id="1")
            with pytest.raises(IllegalTransition):
                client.send_signal(task_id, "approved", {"by": "ann"}, signal_id="2")
    [event] = [event for event in engine.history(task_id) if event.event == "signalled"]
    assert event.actor == "token:ops"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"task_id": "7"}, "task: '7' is not accepted, expected a task id"),
        ({"name": ""}, "name: '' is not accepted, expected 1 to 100 letters"),
        ({"name": "a b"}, "name: 'a b' is not accepted"),
        ({"name": "x" * 101}, "name: .* is not accepted"),
        ({"name": 3}, "name: 3 is not accepted"),
        ({"signal_id": "=1"}, "signal_id: '=1' is not accepted, expected 1 to 200 letters"),
        ({"signal_id": "x" * 201}, "signal_id: .* is not accepted"),
        ({"data": object()}, "data: .* is not accepted"),
        ({"data": float("nan")}, "data: nan is not accepted"),
        ({"data": "\0"}, "data: "),
        ({"data": "x" * (1 << 20)}, "data: .* is not accepted"),
    ],
)
def test_a_malformed_signal_is_refused_and_not_stored(engine: Engine, given: dict[str, object], problem: str) -> None:
    task_id = engine.submit("demo.echo", delay_seconds=60)
    signal_ = {"task_id": task_id, "name": "other", "data": {}, **given}
    with pytest.raises(SubmissionError, match=problem):
        engine.submitter.send_signal(**signal_, actor="test")  # type: ignore[arg-type]
    assert stored(engine, task_id) == 0


def test_a_task_takes_so_many_signals_and_no_more(engine: Engine) -> None:
    task_id = engine.submit("demo.echo", delay_seconds=60)
    with engine.database.transaction() as tx:
        for number in range(MAX_SIGNALS):
            signals.add(tx, task_id, "n", str(number), "{}", "test", kind="signal", reason="")
    with pytest.raises(SubmissionError, match="a task with fewer than 1000 signals"):
        engine.submitter.send_signal(task_id, "n", {}, actor="test")


def test_signals_of_a_task_are_limited_together(engine: Engine) -> None:
    task_id = engine.submit("demo.echo", delay_seconds=60)
    half = "x" * (600 << 10)
    engine.submitter.send_signal(task_id, "n", half, actor="test")
    with pytest.raises(SubmissionError, match="data of all signals of the task of at most 1048576 bytes together"):
        engine.submitter.send_signal(task_id, "n", half, actor="test")


def test_why_says_what_it_waits_for(asking: tuple[Engine, str]) -> None:
    engine, task_id = asking
    cache = RedisCache(engine.redis, engine.broker.keys)
    found = why(engine.database, engine.broker, cache, task_id, engine.settings.auth)
    assert found.summary.startswith("waits for signal approved, for ")
    assert found.state == "suspended"
