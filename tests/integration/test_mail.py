"""Messages between agents, as handlers and operators see them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from core.errors import ErrorClass
from core.mail import Mail
from core.messages import Mailbox
from tests.engine import Engine, Payload
from tests.servers import wait_until
from worker.agents.context import TaskContext
from worker.cli.app import app

Invoke = Callable[..., Result]


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """With a worker."""
    engine.worker()
    return engine


@pytest.fixture
def invoke(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """The command `mail` on this engine."""
    for name, value in (("DATABASE_URL", engine.settings.database_url), ("REDIS_URL", engine.settings.redis_url)):
        monkeypatch.setenv(f"TASKYARD_{name}", str(value))
    monkeypatch.setenv("TASKYARD_NAMESPACE", engine.settings.namespace)
    return lambda *words: CliRunner().invoke(app, ["mail", *words])


def mailbox(engine: Engine, agent: str, **options: float) -> Mailbox:
    return Mailbox(engine.redis, engine.queue.keys, agent, **options)  # type: ignore[arg-type]


def bury(engine: Engine, agent: str, body: object) -> None:
    """Has a message become a dead letter: nobody acknowledges it."""
    mailbox(engine, agent).send("me", agent, body)
    reader = mailbox(engine, agent, idle_seconds=0.0, max_deliveries=1)
    assert reader.receive()
    assert reader.receive() == []


def test_one_agents_task_tells_anothers(engine: Engine) -> None:
    def ask(given: Payload, context: TaskContext) -> Payload:
        context.send("answerer", {"question": 6, "z": 1e16, "a": None})
        answer = context.receive(timeout_seconds=20)
        assert answer is not None
        return Payload(said=answer.body, by=answer.sender)

    def answer(given: Payload, context: TaskContext) -> Payload:
        found = context.receive(20)
        assert found is not None
        context.send(found.sender, found.body["question"] * 7)
        return Payload(heard=found.body, times=found.deliveries)

    engine.define("demo.ask", ask)
    engine.define("demo.answer", answer)
    engine.agent("asker", types=("demo.ask",))
    engine.agent("answerer", types=("demo.answer",))
    asked, answered = engine.submit("demo.ask"), engine.submit("demo.answer")
    assert engine.wait_for(asked, timeout_seconds=30).output == {"said": 42, "by": "answerer"}
    output = engine.wait_for(answered, timeout_seconds=30).output
    assert json.dumps(output) == json.dumps({"heard": {"question": 6, "z": 1e16, "a": None}, "times": 1})
    wait_until(lambda: Mail(engine.redis, engine.queue.keys).boxes() == [])


def test_without_a_message_it_waits_as_long_as_it_is_told(engine: Engine) -> None:
    def listen(given: Payload, context: TaskContext) -> Payload:
        return Payload(found=[context.receive() is None, context.receive(0.3) is None])

    engine.define("demo.listen", listen)
    engine.agent()
    assert engine.wait_for(engine.submit("demo.listen"), "completed").output == {"found": [True, True]}


def test_a_message_of_an_attempt_that_fails_is_not_lost(engine: Engine) -> None:
    def listen(given: Payload, context: TaskContext) -> Payload:
        assert context.receive(5) is not None
        raise RuntimeError("after it was received")

    engine.define("demo.listen", listen)
    engine.agent("reader")
    mailbox(engine, "reader").send("me", "reader", "keep me")
    engine.wait_for(engine.submit("demo.listen", max_attempts=1), "failed")
    [again] = mailbox(engine, "reader", idle_seconds=0.0).receive()
    assert (again.body, again.deliveries) == ("keep me", 2)


def test_a_cancelled_task_waits_no_longer(engine: Engine) -> None:
    ended = threading.Event()

    def listen(given: Payload, context: TaskContext) -> Payload:
        try:
            context.receive(60)
        finally:
            ended.set()
        return Payload()

    engine.define("demo.listen", listen)
    engine.agent()
    task_id = engine.submit("demo.listen")
    engine.wait_for(task_id, "in_progress")
    engine.submitter.cancel(task_id, actor="me")
    assert ended.wait(5)


@pytest.mark.parametrize("seconds", [-1, float("nan"), "5", 86_401])
def test_a_time_that_is_none_is_refused(engine: Engine, seconds: object) -> None:
    def listen(given: Payload, context: TaskContext) -> Payload:
        context.receive(seconds)  # type: ignore[arg-type]
        return Payload()

    engine.define("demo.listen", listen)
    engine.agent()
    error = engine.wait_for(engine.submit("demo.listen", max_attempts=1), "failed").error
    assert error is not None
    assert "expected a number of seconds from 0 to 86400" in error["message"]
    assert error["class"] == ErrorClass.TRANSIENT


def test_the_command_lists_redrives_and_empties(engine: Engine, invoke: Invoke) -> None:
    assert invoke("list").output.strip() == "no message waits"
    bury(engine, "coder-1", {"n": 1})
    mailbox(engine, "coder-1").send("boss", "coder-1", {"n": 2})
    [box] = json.loads(invoke("list", "--json").stdout)
    assert (box["agent"], box["waiting"], box["dead"]) == ("coder-1", 1, 1)
    [waiting] = json.loads(invoke("list", "coder-1", "--json").stdout)
    assert (waiting["sender"], json.loads(waiting["body"]), waiting["deliveries"]) == ("boss", {"n": 2}, 0)
    [dead] = json.loads(invoke("list", "coder-1", "--dead", "--json").stdout)
    assert "never acknowledged" in dead["reason"]
    assert "boss" in invoke("list", "coder-1").output

    assert invoke("redrive", "coder-1", "1-1").exit_code == 3
    assert json.loads(invoke("redrive", "coder-1", dead["id"], "--json").stdout) == {"sent": 1, "full": False}
    assert [one["sender"] for one in json.loads(invoke("list", "coder-1", "--json").stdout)] == ["boss", "me"]

    refused = invoke("purge", "coder-1")
    assert refused.exit_code == 2
    assert "expected --yes" in refused.output
    bury(engine, "other", 3)
    assert json.loads(invoke("purge", "other", "--dead", "--yes", "--json").stdout) == {"removed": 1}
    assert json.loads(invoke("purge", "coder-1", "--yes", "--json").stdout) == {"removed": 2}
    assert invoke("list").output.strip() == "no message waits"


def test_a_full_mailbox_keeps_its_dead_letters(engine: Engine, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    bury(engine, "coder-1", 1)
    mailbox(engine, "coder-1").send("me", "coder-1", 2)
    monkeypatch.setattr("core.mail.LENGTH_LIMIT", 1)
    said = invoke("redrive", "coder-1")
    assert said.exit_code == 5
    assert "is full: the rest stays where it is" in said.output
    assert Mail(engine.redis, engine.queue.keys).boxes()[0].dead == 1


@pytest.mark.parametrize("key", ["messages", "dead_letters"])
def test_a_key_of_another_type_is_an_empty_mailbox(engine: Engine, invoke: Invoke, key: str) -> None:
    engine.redis.set(getattr(engine.queue.keys, key)("odd"), "no stream")
    for words in (("list",), ("list", "odd"), ("list", "odd", "--dead"), ("redrive", "odd"), ("purge", "odd", "--yes")):
        assert invoke(*words).exit_code == 0, words


def test_the_age_of_what_waits_is_in_the_live_state(engine: Engine) -> None:
    engine.agent("coder-1")
    mailbox(engine, "coder-1").send("me", "coder-1", 1)
    [box] = Mail(engine.redis, engine.queue.keys).boxes_of(["coder-1"])
    assert (box.waiting, box.dead) == (1, 0)
    assert 0 <= box.oldest_seconds < 60
