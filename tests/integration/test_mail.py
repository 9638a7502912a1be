"""Messages between agents, as their handlers see them: two agents that talk."""

from __future__ import annotations

import json

import pytest

from taskyard.core.errors import ErrorClass
from taskyard.worker.attempts.context import TaskContext
from tests.engine import Engine, Payload
from tests.servers import wait_until


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """With a worker."""
    engine.worker()
    return engine


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
    wait_until(lambda: engine.broker.mailbox_admin.boxes() == [])


@pytest.mark.parametrize("seconds", [-1, float("nan"), "5", True, 604_801])
def test_a_time_that_is_none_is_refused(engine: Engine, seconds: object) -> None:
    def listen(given: Payload, context: TaskContext) -> Payload:
        context.receive(seconds)  # type: ignore[arg-type]
        return Payload()

    engine.define("demo.listen", listen)
    engine.agent()
    error = engine.wait_for(engine.submit("demo.listen", max_attempts=1), "failed").error
    assert error is not None
    assert "expected a number of seconds from 0 to 604800" in error["message"]
    assert error["class"] == ErrorClass.TRANSIENT


def test_only_what_was_received_is_acknowledged(engine: Engine) -> None:
    def answer(given: Payload, context: TaskContext) -> Payload:
        context.ack("1-1")  # type: ignore[arg-type]
        return Payload()

    engine.define("demo.answer", answer)
    engine.agent()
    error = engine.wait_for(engine.submit("demo.answer", max_attempts=1), "failed").error
    assert error is not None
    assert error["message"] == "ValueError: ack: message '1-1' is not accepted, expected a message from `receive`"
