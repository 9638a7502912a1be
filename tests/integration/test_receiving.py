"""Handlers read their agent's mailbox: in processes, threads and coroutines of a real agent."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from taskyard.core.config import load_settings
from taskyard.core.models import Task
from taskyard.core.redis.mailbox import MAX_LENGTH
from taskyard.core.redis.mailbox_admin import MailboxAdmin
from taskyard.core.task_types.registry import registry
from taskyard.worker.agents.mail import MAX_HELD
from taskyard.worker.agents.pool_config import AgentSpec
from tests import servers
from tests.databases import Databases
from tests.engine import Engine, running_engine, set_agent_environment
from tests.servers import wait_until

SPEC = AgentSpec("reader-1", "reader", ("mail.*", "diagnostic.*"), (), 3)
every_isolation = pytest.mark.parametrize("isolation", ["process", "thread", "coroutine"])


@pytest.fixture(scope="module")
def shared(
    server_endpoints: servers.Endpoints, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    with databases.copy() as url, pytest.MonkeyPatch.context() as patch:
        settings = load_settings(
            database_url=url,
            redis_url=server_endpoints.redis_url,
            namespace=f"test-{uuid.uuid4().hex[:12]}",
            data_dir=tmp_path_factory.mktemp("data"),
        )
        set_agent_environment(patch, settings)
        patch.setenv("TASKYARD_TASK_MODULES", "tests.mail_types")
        registry.load(["tests.mail_types"])
        with running_engine(settings, registry) as engine:
            engine.worker()
            with engine.pool(SPEC):
                patch.undo()
                yield engine
            engine.wipe_redis()


@pytest.fixture
def engine(shared: Engine) -> Iterator[Engine]:
    yield shared
    for dead in (False, True):
        shared.broker.mailbox_admin.purge("reader-1", dead=dead)


def post(engine: Engine, *bodies: Any) -> None:
    for body in bodies:
        engine.broker.mailbox("tester").send("tester", "reader-1", body)


def waiting(engine: Engine) -> int:
    return sum(box.messages for box in office(engine).boxes() if box.agent == "reader-1")


def office(engine: Engine) -> MailboxAdmin:
    return engine.broker.mailbox_admin


def ran(engine: Engine, isolation: str, how: str = "read", seconds: float = 5.0) -> Task:
    return engine.wait_for(engine.submit(f"mail.{isolation}", {"how": how, "seconds": seconds}))


@every_isolation
def test_a_message_is_read_once(engine: Engine, isolation: str) -> None:
    body = {"text": "Grüße", "numbers": [1, 2.5, None]}
    post(engine, body)
    task = ran(engine, isolation)
    assert task.output == {"got": ["tester", body, 1]}
    wait_until(lambda: waiting(engine) == 0)
    assert ran(engine, isolation, seconds=0.0).output == {"got": []}


@every_isolation
def test_a_message_that_comes_later_wakes_its_reader(engine: Engine, isolation: str) -> None:
    task_id = engine.submit(f"mail.{isolation}", {"seconds": 60})
    wait_until(lambda: engine.task(task_id).state == "in_progress")
    assert engine.wait_for(engine.submit("diagnostic.noop")).state == "completed", "nobody else waits for it"
    post(engine, "late")
    assert engine.wait_for(task_id).output == {"got": ["tester", "late", 1]}


@every_isolation
def test_waiting_ends_with_its_time_or_the_task_s(engine: Engine, isolation: str) -> None:
    began = time.monotonic()
    assert ran(engine, isolation, seconds=0.3).output == {"got": []}
    assert time.monotonic() - began >= 0.3
    late = engine.submit(f"mail.{isolation}", {"seconds": 600}, timeout_seconds=0.5)
    assert (engine.wait_for(late).error or {})["class"] == "timeout"
    cancelled = engine.submit(f"mail.{isolation}", {"seconds": 600})
    wait_until(lambda: engine.task(cancelled).state == "in_progress")
    engine.submitter.cancel(cancelled, actor="me")
    assert engine.wait_for(cancelled).state == "cancelled"
    (pid,) = (agent.pid for agent in engine.online())
    os.kill(pid, 0)  # no slot was stuck by it: it is the same agent
    assert ran(engine, isolation, seconds=0.0).output == {"got": []}


@every_isolation
def test_what_a_failed_attempt_had_is_delivered_again_at_once(engine: Engine, isolation: str) -> None:
    how = "die" if isolation == "process" else "fail"
    post(engine, how)
    assert ran(engine, isolation, how).state == "failed"
    began = time.monotonic()
    assert ran(engine, isolation, seconds=20).output == {"got": ["tester", how, 2]}
    assert time.monotonic() - began < 15
    wait_until(lambda: waiting(engine) == 0)


@pytest.mark.parametrize("isolation", ["process", "thread"])
@pytest.mark.parametrize(
    ("how", "error_class", "words"),
    [
        ("send to nobody", "permanent", "send: to: '' is not accepted, expected a name"),
        ("send nan", "permanent", "message: nan is not accepted, expected a finite number"),
        ("send to a full mailbox", "transient", "the mailbox of agent full-1 is full: it holds 10000 messages"),
    ],
)
def test_a_message_that_cannot_be_sent(engine: Engine, isolation: str, how: str, error_class: str, words: str) -> None:
    stream = engine.broker.keys.messages("full-1")
    missing = MAX_LENGTH - int(engine.redis.xlen(stream))
    pipeline = engine.redis.pipeline()
    for _ in range(missing if how == "send to a full mailbox" else 0):
        pipeline.xadd(stream, {"from": "x", "body": "1"})
    pipeline.execute()
    error = ran(engine, isolation, how).error or {}
    assert error["class"] == error_class
    assert words in error["message"]


def test_what_is_acknowledged_is_gone_even_if_the_attempt_fails(engine: Engine) -> None:
    post(engine, 1, 2, 3)
    task = ran(engine, "process", "all, acknowledged")
    assert (task.error or {})["message"] == "RuntimeError: read [1, 2, 3]"
    assert waiting(engine) == 0


def test_an_attempt_holds_only_so_many(engine: Engine) -> None:
    post(engine, *range(MAX_HELD + 1))
    task = ran(engine, "thread", "too many")
    assert (task.error or {})["class"] == "permanent"
    assert "call context.ack(message)" in (task.error or {})["message"]
    assert waiting(engine) == MAX_HELD + 1, "none is lost"


def test_a_message_is_one_attempt_s(engine: Engine) -> None:
    post(engine, "one")
    first = engine.submit("mail.process", {"seconds": 1})
    second = engine.submit("mail.thread", {"seconds": 1})
    outputs = [engine.wait_for(task_id).output for task_id in (first, second)]
    assert sorted(map(str, outputs)) == sorted(map(str, [{"got": ["tester", "one", 1]}, {"got": []}]))


def test_a_message_that_fails_again_and_again_becomes_a_dead_letter(engine: Engine) -> None:
    post(engine, "poison")
    for _ in range(5):
        assert ran(engine, "thread", "fail").state == "failed"
    assert ran(engine, "thread", seconds=0.0).output == {"got": []}
    (letter,) = office(engine).letters("reader-1", dead=True, count=5)
    assert (letter.body, letter.deliveries) == ('"poison"', 5)
    assert office(engine).redrive("reader-1").sent == 1
    assert ran(engine, "thread").output == {"got": ["tester", "poison", 1]}


def test_a_malformed_message_is_set_aside_and_ends_nobody(engine: Engine) -> None:
    stream = engine.broker.keys.messages("reader-1")
    engine.redis.xadd(stream, {"body": b"{", "from": "x"})
    engine.redis.xadd(stream, {f"f{n}": b"x" for n in range(10_000)})
    engine.redis.xadd(stream, {"body": b'"' + b"x" * (2 << 20) + b'"', "from": "x"})
    engine.redis.xadd(stream, {"body": b"1", "from": b"\xff\x00"})
    post(engine, "good")
    assert ran(engine, "process").output == {"got": ["tester", "good", 1]}
    letters = office(engine).letters("reader-1", dead=True, count=9)
    assert [(letter.reason or "")[:9] for letter in letters] == ["malformed"] * 4
    assert engine.redis.memory_usage(engine.broker.keys.dead_letters("reader-1"), samples=0) < 1 << 20
    redriven = office(engine).redrive("reader-1")
    assert (redriven.sent, len(redriven.refused)) == (0, 4)


def test_a_key_of_another_type_makes_room(engine: Engine) -> None:
    engine.redis.set(engine.broker.keys.messages("reader-1"), "no stream")
    assert ran(engine, "thread", seconds=0.0).output == {"got": []}
    post(engine, "after")
    assert ran(engine, "thread").output == {"got": ["tester", "after", 1]}


def test_what_a_stuck_attempt_had_is_delivered_again_at_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    set_agent_environment(monkeypatch, engine.settings)  # for the process that replaces its agent
    monkeypatch.setenv("TASKYARD_TASK_MODULES", "tests.mail_types")
    (before,) = (agent.pid for agent in engine.online())
    post(engine, "keep me")
    task = engine.wait_for(engine.submit("mail.thread", {"how": "hang"}, timeout_seconds=1), timeout_seconds=30)
    assert (task.error or {})["class"] == "timeout"
    mailbox = engine.broker.mailbox("reader-1")
    (again,) = wait_until(mailbox.receive)
    assert (again.body, again.deliveries) == ("keep me", 2)
    assert mailbox.ack(again)
    wait_until(lambda: [agent.pid for agent in engine.online()] not in ([], [before]), 30)


def test_a_message_whose_agent_dies_comes_to_the_next_boot(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the idle time, which is put back here instead of waited for."""
    set_agent_environment(monkeypatch, engine.settings)
    monkeypatch.setenv("TASKYARD_TASK_MODULES", "tests.mail_types")
    post(engine, "survivor")
    task_id = engine.submit("mail.process", {"seconds": 60, "how": "hold at first"}, max_attempts=2)
    (message,) = wait_until(lambda: office(engine).letters("reader-1", dead=False, count=1))
    wait_until(lambda: office(engine).boxes()[0].being_read == 1)
    (pid,) = (agent.pid for agent in engine.online())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: [agent.pid for agent in engine.online()] not in ([], [pid]), 30)
    wait_until(lambda: engine.task(task_id).state == "in_progress" and engine.task(task_id).attempt == 2, 30)
    assert office(engine).boxes()[0].being_read == 1, "it is the dead one's for now"
    engine.broker.mailbox("reader-1").give_back({message.id: 1})
    assert engine.wait_for(task_id).output == {"got": ["tester", "survivor", 2]}
