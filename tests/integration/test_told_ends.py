"""Who waits for a task is told by the leader when it ends, and looks at PostgreSQL a few times only."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from taskyard.core.errors import PermanentError, SubmissionError, Unavailable
from taskyard.core.postgres.store import tasks
from taskyard.core.redis.endings import Endings
from taskyard.core.submission import waiting
from taskyard.worker.attempts.context import TaskContext
from tests.engine import Engine, Payload
from tests.servers import wait_until


class Watched:
    """What was asked of Redis and PostgreSQL by those who wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[bool] = []
        self.looks = 0
        wait, endings = Endings.wait, tasks.endings

        def watched_wait(this: Endings, task_id: str, after: bytes, seconds: float) -> bytes:
            last = wait(this, task_id, after, seconds)
            self.told.append(last != after)
            return last

        def watched_endings(*arguments: Any) -> Any:
            self.looks += 1
            return endings(*arguments)

        monkeypatch.setattr(Endings, "wait", watched_wait)
        monkeypatch.setattr(tasks, "endings", watched_endings)
        monkeypatch.setattr(waiting, "MAX_POLL_SECONDS", 4.0)  # longer than a task of this file takes


@pytest.fixture
def busy(engine: Engine) -> Engine:
    def work(given: Payload, context: TaskContext) -> Payload:
        time.sleep(float(getattr(given, "seconds", 0.2)))
        if getattr(given, "fails", False):
            raise PermanentError("no")
        return given

    engine.define("told.work", work)
    engine.worker()
    engine.agent()
    return engine


@pytest.mark.parametrize(("fails", "state"), [(False, "completed"), (True, "failed")])
def test_the_leader_tells_who_waits(fails: bool, state: str, busy: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert busy.submitter.result(busy.submit("told.work", delay_seconds=3600), 0.3).state == "scheduled"
    task_id = busy.submit("told.work", {"fails": fails})
    watched = Watched(monkeypatch)
    assert busy.submitter.result(task_id, 20).state == state
    assert watched.told == [True]
    assert watched.looks == 2  # at first, and when it is told
    keys, client = busy.broker.keys, busy.broker.redis
    wait_until(lambda: not client.exists(keys.awaited))
    assert 0 < client.ttl(keys.ended(task_id)) <= 60


def test_several_who_wait_for_one_are_told(busy: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = busy.submit("told.work", {"seconds": 0.5})
    endings = busy.broker.endings
    endings.expect(task_id)
    assert busy.submitter.result(task_id, 20).state == "completed"
    assert endings.wait(task_id, b"0-0", 1.0) != b"0-0"  # one who began to wait before, and looks only now


def test_what_nobody_waits_for_leaves_no_trace(busy: Engine) -> None:
    task_id = busy.submit("told.work", {"seconds": 0})
    busy.wait_for(task_id)
    assert not busy.broker.redis.exists(busy.broker.keys.ended(task_id))


def test_who_gives_up_is_no_longer_awaited(busy: Engine) -> None:
    task_id = busy.submit("told.work", delay_seconds=3600)
    assert busy.submitter.result(task_id, 0.05).state == "scheduled"
    wait_until(lambda: not busy.broker.redis.exists(busy.broker.keys.awaited))


def test_a_cancellation_is_seen_although_nobody_tells(busy: Engine) -> None:
    task_id = busy.submit("told.work", delay_seconds=3600)
    busy.submitter.cancel(task_id, actor="me")
    assert busy.submitter.result(task_id, 20).state == "cancelled"


def test_a_task_that_runs_again_is_waited_for_again(busy: Engine) -> None:
    task_id = busy.submit("told.work", {"fails": True, "seconds": 0})
    assert busy.submitter.result(task_id, 20).state == "failed"
    busy.submitter.retry(task_id, actor="me")
    assert busy.submitter.result(task_id, 20).state == "failed"
    assert busy.task(task_id).attempt == 2


def test_without_redis_it_looks_again_and_again(busy: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = busy.submit("told.work")
    asked = 0

    def away(*arguments: object) -> None:
        nonlocal asked
        asked += 1
        raise Unavailable("Redis is away")

    monkeypatch.setattr(Endings, "expect_soon", away)
    assert busy.submitter.result(task_id, 20).state == "completed"
    assert asked == 1  # not at each look: a connection that hangs would take its timeout each time


def test_a_task_that_ended_before_is_looked_at_once(busy: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = busy.submit("told.work", {"seconds": 0})
    busy.wait_for(task_id)
    watched = Watched(monkeypatch)
    assert busy.submitter.result(task_id, 20).state == "completed"
    assert (watched.looks, watched.told) == (1, [])
    wait_until(lambda: not busy.broker.redis.exists(busy.broker.keys.awaited))


def test_only_so_many_wait_in_redis_at_a_time(busy: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a connection of its own there; the others look at the row."""
    monkeypatch.setattr(busy.submitter._endings, "places", threading.BoundedSemaphore(1))
    wait, at_once, most = Endings.wait, [0], [0]

    def counted(*arguments: Any) -> bytes:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        try:
            return wait(*arguments)
        finally:
            at_once[0] -= 1

    monkeypatch.setattr(Endings, "wait", counted)
    task_ids = [busy.submit("told.work", {"seconds": 0.3}) for _ in range(5)]
    with ThreadPoolExecutor(5) as pool:
        results = list(pool.map(lambda task_id: busy.submitter.result(task_id, 20), task_ids))
    assert [result.state for result in results] == ["completed"] * 5
    assert most == [1]


def test_foreign_values_at_its_keys_are_removed(busy: Engine) -> None:
    keys, client = busy.broker.keys, busy.broker.redis
    task_id = busy.submit("told.work", {"seconds": 0.5})
    client.set(keys.awaited, "foreign")
    client.set(keys.ended(task_id), "foreign")
    assert busy.submitter.result(task_id, 20).state == "completed"
    wait_until(lambda: not client.exists(keys.awaited))


@pytest.mark.parametrize("value", ["5", None, float("nan"), True])
def test_a_time_that_is_none_is_refused_before_anything_is_asked(value: Any, engine: Engine) -> None:
    with pytest.raises(SubmissionError, match=r"^timeout_seconds: .* is not accepted, expected a finite number of sec"):
        engine.submitter.result(engine.submit("demo.echo"), value)
