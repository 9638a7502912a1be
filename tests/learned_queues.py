"""Queues that are ordered by what is learned, with a leader whose learner looks when the test says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from taskyard.core.clock import Clock
from taskyard.core.learning import head_start as head_starts
from taskyard.core.models import Lane
from taskyard.core.submission import predictor
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.learning import learner as learning_duty
from taskyard.worker.learning.learner import Learner
from taskyard.worker.monitor import observer as observing
from taskyard.worker.monitor.monitor import Monitor
from tests.engine import Engine, Payload, RunningWorker

LONG_SECONDS = 0.2
here = threading.local()  # the thread of a slow agent's slot has a factor


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Has everything that is learned known at once, and short waits count."""
    patch.setattr(predictor, "FRESH_SECONDS", 0.0)
    patch.setattr(learning_duty, "SAVE_EVERY_SECONDS", 0.0)
    patch.setattr(observing, "COUNT_SHARE", 1.0)
    patch.setattr(head_starts, "MIN_WAIT_SECONDS", 0.05)


def sleep(given: Payload, context: TaskContext) -> Payload:
    time.sleep(float(getattr(given, "seconds", 0.0)) * getattr(here, "factor", 1.0))
    return given


@contextmanager
def busy_agent(engine: Engine) -> Iterator[None]:
    """An agent with one slot, which does nothing else until the end of the block."""
    released = threading.Event()

    def wait(given: Payload, context: TaskContext) -> Payload:
        released.wait()
        return given

    engine.define("o.block", wait)
    blocker = engine.submit("o.block", priority="urgent")
    engine.agent("single", max_concurrency=1)
    engine.wait_for(blocker, "in_progress")
    try:
        yield
    finally:
        released.set()


class Leading:
    """A worker with its monitor and learner, which look when the test says so."""

    def __init__(self, engine: Engine, worker: RunningWorker) -> None:
        self.engine = engine
        monitor = Monitor(engine.settings, engine.database, engine.broker, worker.dispatcher, "test", Clock())
        self._observer = monitor.observer
        dispatcher, policy_of = worker.dispatcher, engine.settings.placement_of
        self.learner = Learner(
            engine.database, engine.broker, dispatcher, Clock(), policy_of, lambda: self._observer.live
        )

    def look(self) -> None:
        self._observer._count_after = 0.0
        self._observer.observe()
        self.learner.run()

    def queue(self) -> tuple[bool, str]:
        """Whether head starts are given in the default queue, and why."""
        assert self.learner.live is not None
        [queue] = [one for one in self.learner.live.queues if one.queue == "default"]
        return queue.is_on, queue.reason


def submit_both(engine: Engine, count: int, *, long_seconds: float = LONG_SECONDS, short_seconds: float = 0.0) -> None:
    """Runs tasks of both types."""
    ids = [engine.submit("o.short", {"seconds": short_seconds}) for _ in range(count)]
    ids += [engine.submit("o.long", {"seconds": long_seconds}) for _ in range(count)]
    engine.wait_for_all(ids, timeout_seconds=60)


def prove(engine: Engine, leading: Leading) -> None:
    """Has enough tasks end that were predicted to be short, and others."""
    submit_both(engine, 5)  # without predictions: nothing is known
    leading.look()
    submit_both(engine, 35)
    leading.look()


def order(engine: Engine, type_: str) -> list[str]:
    """The ids in a lane of the default queue, the first one first."""
    return [one.decode() for one in engine.redis.zrange(engine.broker.keys.ready(Lane("default", type_)), 0, -1)]


def first_started(engine: Engine, ids: list[str]) -> str:
    return min(ids, key=lambda id_: engine.task(id_).started_at)  # type: ignore[arg-type,return-value]
