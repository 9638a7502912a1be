"""A Redis that takes commands and answers none: what submits and waits is held up once in a while, not each time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from taskyard.core.redis import connection
from taskyard.core.submission import predictor, queue_notifier
from taskyard.core.submission.submit import Submitter, open_submitter
from taskyard.worker.devtools.prove.faulty_servers import FaultyRedis
from tests.engine import Engine

TIMEOUT_SECONDS = 0.4
LONG_SECONDS = 60.0  # for which nobody asks again


class Hanging(NamedTuple):
    submitter: Submitter
    task_id: str  # of a task that is due later


@pytest.fixture
def hanging(engine: Engine, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Hanging]:
    """A submitter that has been at work, whose Redis hangs from then on."""
    timeout_seconds = getattr(request, "param", TIMEOUT_SECONDS)
    monkeypatch.setattr(connection, "SOCKET_TIMEOUT_SECONDS", timeout_seconds)
    monkeypatch.setattr(queue_notifier, "SLOW_SECONDS", TIMEOUT_SECONDS / 2)
    monkeypatch.setattr(queue_notifier, "QUIET_SECONDS", LONG_SECONDS)
    monkeypatch.setattr(predictor, "AGAIN_SECONDS", timeout_seconds)  # the same, as outside of tests
    monkeypatch.setattr(predictor, "FRESH_SECONDS", 0.0)  # so that each task is looked up
    engine.define("slow.work", lambda given, context: given)
    with FaultyRedis(engine.settings.redis_url) as proxy:
        submitter = open_submitter(engine.settings, engine.registry, engine.settings.database_url, proxy.url)
        task_id = submitter.submit("slow.work", delay_seconds=100)
        assert submitter.result(task_id, 0.05).state == "scheduled"
        proxy.hang()
        yield Hanging(submitter, task_id)


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_many_tasks_are_held_up_once(hanging: Hanging) -> None:
    """Not once for each of them: that took 83 minutes for 1,000 tasks."""
    many = [{"type": "slow.work"}] * 50
    assert _seconds(lambda: hanging.submitter.submit_many(many)) < 10 * TIMEOUT_SECONDS


def test_single_tasks_are_not_held_up_each_time(hanging: Hanging) -> None:
    for _ in range(3):  # the first ones find out
        hanging.submitter.submit("slow.work")
    assert _seconds(lambda: [hanging.submitter.submit("slow.work") for _ in range(20)]) < TIMEOUT_SECONDS * 5


@pytest.mark.parametrize("hanging", [30.0], indirect=True)
def test_who_waits_for_a_second_is_answered_soon_after(hanging: Hanging) -> None:
    assert _seconds(lambda: hanging.submitter.result(hanging.task_id, 1.0)) < 15


def test_a_task_that_has_ended_is_known_without_redis(hanging: Hanging) -> None:
    hanging.submitter.cancel(hanging.task_id, actor="me")
    for _ in range(2):  # the first may wait for an answer that is owed
        ended = _seconds(lambda: hanging.submitter.result(hanging.task_id, 10))
    assert ended < 0.5


def test_what_was_submitted_meanwhile_is_there(hanging: Hanging) -> None:
    ids = hanging.submitter.submit_many([{"type": "slow.work"}] * 3)
    assert [hanging.submitter.result(task_id, 0).state for task_id in ids] == ["pending"] * 3


def test_cancels_are_not_held_up_each_time(hanging: Hanging) -> None:
    ids = hanging.submitter.submit_many([{"type": "slow.work"}] * 12)
    hanging.submitter.cancel(ids.pop(), actor="me")  # may find out
    assert _seconds(lambda: [hanging.submitter.cancel(task_id, actor="me") for task_id in ids]) < TIMEOUT_SECONDS * 5
    assert [hanging.submitter.result(task_id, 0).state for task_id in ids] == ["cancelled"] * 11
