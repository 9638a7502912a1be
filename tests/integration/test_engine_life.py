"""A task's life on real servers: what happens to it, and what is written down about it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from taskyard.core.config import Settings
from taskyard.core.errors import PermanentError
from taskyard.core.redis.mailbox import Mailbox
from taskyard.core.task_types.registry import RetryPolicy
from taskyard.worker.attempts.context import TaskContext
from tests.engine import Engine, Payload, running_engine
from tests.servers import wait_until


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    with running_engine(settings) as engine:
        engine.worker()
        yield engine


def echo(given: Payload, context: TaskContext) -> Payload:
    return given


def test_fast_task_from_submission_to_completion(engine: Engine) -> None:
    engine.define("demo.echo", echo)
    agent = engine.agent()
    task_id = engine.submit("demo.echo", {"a": [1, "é"]}, created_by="me", title="A title")
    task = engine.wait_for(task_id)
    assert (task.state, task.attempt, task.refunded, task.error) == ("completed", 1, 0, None)
    assert task.input == task.output == {"a": [1, "é"]}
    assert task.created_at <= task.assigned_at <= task.finished_at
    assert task.started_at is not None
    assert [(e.event, e.from_state, e.to_state, e.attempt, e.actor, e.agent_id) for e in engine.history(task_id)] == [
        ("submitted", None, "pending", 0, "me", None),
        ("assigned", "pending", "assigned", 1, "dispatcher", agent.id),
        ("completed", "assigned", "completed", 1, "dispatcher", agent.id),
    ]


def test_longer_task_is_seen_in_progress(engine: Engine) -> None:
    gate = threading.Event()

    def wait(given: Payload, context: TaskContext) -> Payload:
        gate.wait(10)
        return given

    engine.define("demo.wait", wait)
    engine.agent()
    task_id = engine.submit("demo.wait")
    assert engine.wait_for(task_id, "in_progress").started_at is not None
    gate.set()
    assert engine.wait_for(task_id).state == "completed"
    assert [(e.event, e.from_state, e.to_state) for e in engine.history(task_id)] == [
        ("submitted", None, "pending"),
        ("assigned", "pending", "assigned"),
        ("started", "assigned", "in_progress"),
        ("completed", "in_progress", "completed"),
    ]


def test_failing_task_is_retried_after_a_delay_until_its_attempts_are_used(engine: Engine) -> None:
    def fail(given: Payload, context: TaskContext) -> Payload:
        raise RuntimeError(f"attempt {context.attempt}")

    engine.define("demo.fail", fail, retry=RetryPolicy(max_attempts=3, backoff_seconds=0.1, max_backoff_seconds=0.2))
    engine.agent()
    task_id = engine.submit("demo.fail")
    task = engine.wait_for(task_id)
    assert (task.state, task.attempt, task.refunded) == ("failed", 3, 0)
    assert task.error["class"] == "transient"
    assert task.error["message"] == "RuntimeError: attempt 3"
    assert "in fail" in task.error["traceback"]
    history = engine.history(task_id)
    assert [(e.event, e.to_state, e.attempt) for e in history] == [
        ("submitted", "pending", 0),
        ("assigned", "assigned", 1),
        ("attempt_failed", "scheduled", 1),
        ("assigned", "assigned", 2),
        ("attempt_failed", "scheduled", 2),
        ("assigned", "assigned", 3),
        ("failed", "failed", 3),
    ]
    for failed, following in ((history[2], history[3]), (history[4], history[5])):
        waited = (following.at - failed.at).total_seconds()
        assert waited >= failed.detail["delay_seconds"] - 0.001
        assert failed.detail["delay_seconds"] <= 0.2


def test_success_after_a_failure_leaves_no_error(engine: Engine) -> None:
    def second_time(given: Payload, context: TaskContext) -> Payload:
        if context.attempt == 1:
            raise RuntimeError("not yet")
        return Payload(attempt=context.attempt)

    engine.define("demo.second", second_time)
    engine.agent()
    task = engine.wait_for(engine.submit("demo.second"))
    assert (task.state, task.attempt, task.output, task.error) == ("completed", 2, {"attempt": 2}, None)


def test_permanent_error_is_not_retried(engine: Engine) -> None:
    def fail(given: Payload, context: TaskContext) -> Payload:
        raise PermanentError("no use")

    engine.define("demo.fail", fail)
    engine.agent()
    task_id = engine.submit("demo.fail", max_attempts=5)
    task = engine.wait_for(task_id)
    assert (task.state, task.attempt, task.error["class"], task.error["message"]) == (
        "failed",
        1,
        "permanent",
        "no use",
    )
    assert engine.events(task_id) == ["submitted", "assigned", "failed"]


def test_unstorable_output_fails_alone(engine: Engine) -> None:
    def output(given: Payload, context: TaskContext) -> Payload:
        return Payload(text="a\x00b" if given.number == 7 else "fine")

    engine.define("demo.output", output)
    engine.agent()
    ids = engine.submitter.submit_many([{"type": "demo.output", "input": {"number": n}} for n in range(20)])
    engine.wait_for_all(ids[:7] + ids[8:])
    task = engine.wait_for(ids[7])
    assert (task.state, task.attempt, task.error["class"]) == ("failed", 1, "unstorable")


def test_progress_and_logs_are_stored_while_the_task_runs(engine: Engine) -> None:
    gate = threading.Event()

    def talk(given: Payload, context: TaskContext) -> Payload:
        context.progress(0.5, "half way")
        context.log("first line")
        context.log("second line \x00", level="warning")
        gate.wait(10)
        return given

    engine.define("demo.talk", talk)
    agent = engine.agent()
    task_id = engine.submit("demo.talk")
    wait_until(lambda: engine.task(task_id).progress == 0.5)
    assert engine.task(task_id).progress_message == "half way"
    gate.set()
    assert engine.wait_for(task_id).state == "completed"
    lines = [(e.detail["level"], e.detail["message"], e.agent_id) for e in engine.history(task_id) if e.event == "log"]
    assert lines == [("info", "first line", agent.id), ("warning", "second line \\x00", agent.id)]


def test_checkpoint_reaches_the_next_attempt(engine: Engine) -> None:
    def step(given: Payload, context: TaskContext) -> Payload:
        if context.attempt == 1:
            context.checkpoint({"done": [1, 2]})
            raise RuntimeError("interrupted")
        return Payload(found=context.last_checkpoint)

    engine.define("demo.step", step)
    engine.agent()
    task = engine.wait_for(engine.submit("demo.step"))
    assert task.output == {"found": {"done": [1, 2]}}
    assert task.checkpoint == {"done": [1, 2]}


def test_refused_checkpoint_tells_the_handler_and_nobody_else(engine: Engine) -> None:
    def bad(given: Payload, context: TaskContext) -> Payload:
        context.checkpoint({"text": "\x00"})
        return given

    engine.define("demo.bad", bad)
    engine.define("demo.echo", echo)
    engine.agent()
    bad_id, good_id = engine.submit("demo.bad"), engine.submit("demo.echo")
    task = engine.wait_for(bad_id)
    assert (task.state, task.error["class"]) == ("failed", "permanent")
    assert task.error["message"].startswith("checkpoint.text: ")
    assert engine.wait_for(good_id).state == "completed"


def test_children_of_a_retried_parent_are_submitted_once(engine: Engine) -> None:
    def parent(given: Payload, context: TaskContext) -> Payload:
        children = [context.submit("demo.echo", {"n": n}, priority="high") for n in range(2)]
        if context.attempt == 1:
            raise RuntimeError("after its children were committed")
        return Payload(children=children)

    engine.define("demo.parent", parent)
    engine.define("demo.echo", echo)
    agent = engine.agent()
    task_id = engine.submit("demo.parent")
    task = engine.wait_for(task_id)
    assert (task.state, task.attempt) == ("completed", 2)
    children = task.output["children"]
    engine.wait_for_all(children)
    assert engine.counts() == {"completed": 3}
    child = engine.task(children[1])
    assert (child.input, child.workflow_id, child.created_by) == ({"n": 1}, task_id, f"task:{task_id}")
    assert (child.creator_agent_id, child.priority.label) == (agent.id, "high")


@pytest.mark.parametrize(
    ("type", "options", "words"),
    [
        ("demo.unknown", {}, "demo.unknown"),
        ("demo.echo", {"colour": 1}, "colour"),
        ("demo.echo", {"queue": "|"}, "queue"),
    ],
)
def test_refused_child_fails_its_parent_with_the_reason(engine: Engine, type: str, options: dict, words: str) -> None:
    def parent(given: Payload, context: TaskContext) -> Payload:
        context.submit(type, {}, **options)
        return given

    engine.define("demo.parent", parent)
    engine.define("demo.echo", echo)
    engine.agent()
    task = engine.wait_for(engine.submit("demo.parent"))
    assert (task.state, task.error["class"]) == ("failed", "permanent")
    assert words in task.error["message"]


def test_message_from_a_task_arrives_in_another_agents_mailbox(engine: Engine) -> None:
    def send(given: Payload, context: TaskContext) -> Payload:
        context.send("agent-2", {"hello": given.name})
        return given

    engine.define("demo.send", send)
    engine.agent("agent-1")
    assert engine.wait_for(engine.submit("demo.send", {"name": "you"})).state == "completed"
    mailbox = Mailbox(engine.redis, engine.broker.keys, "agent-2")
    (message,) = mailbox.receive(block_seconds=2)
    assert (message.sender, message.body) == ("agent-1", {"hello": "you"})
    assert mailbox.ack(message)


def test_agents_register_and_leave(engine: Engine) -> None:
    agent = engine.agent("agent-7", types=["demo.*"], tags=["gpu"], max_concurrency=5)
    (row,) = engine.online()
    assert (row.id, row.name, row.types, row.tags, row.max_concurrency) == (
        agent.id,
        "agent-7",
        ("demo.*",),
        ("gpu",),
        5,
    )
    agent.stop()
    wait_until(lambda: engine.agent_state(agent.id) == "left", 1)
    again = engine.agent("agent-7")
    assert [row.id for row in engine.online()] == [again.id]


@pytest.mark.what_can_fail(6)
def test_nothing_is_left_in_redis_when_all_is_done(engine: Engine) -> None:
    engine.define("demo.echo", echo)
    agents = [engine.agent(f"agent-{n}") for n in range(2)]
    ids = engine.submitter.submit_many([{"type": "demo.echo", "input": {"n": n}} for n in range(300)])
    engine.wait_for_all(ids)
    for agent in agents:
        wait_until(lambda agent=agent: engine.redis.xlen(engine.broker.keys.inbox(agent.id)) == 0)
    wait_until(lambda: engine.broker.results_length() == 0)
    wait_until(lambda: engine.broker.depths() == {}, message="empty lanes are kept")
    for agent in agents:
        agent.stop()
        wait_until(lambda agent=agent: engine.agent_state(agent.id) == "left")
    lasting = {"epoch", "generation", "canary", "wake", "results", *(f"fenced:{agent.id}" for agent in agents)}
    wait_until(lambda: engine.keys() <= lasting, message=str(engine.keys()))
    assert engine.broker.results_length() == 0


def test_an_agents_late_heartbeat_leaves_nothing_behind(engine: Engine) -> None:
    agent = engine.agent()
    agent.stop()
    wait_until(lambda: engine.agent_state(agent.id) == "left")
    engine.broker.heartbeat(agent.id, b"{}", 0.05)
    wait_until(lambda: not engine.redis.sismember(engine.broker.keys.agents, agent.id))
