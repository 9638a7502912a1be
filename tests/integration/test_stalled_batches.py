"""A slot takes several short runs at a time: one that lasts keeps the others from nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from taskyard.worker.attempts.context import TaskContext
from tests.engine import Engine, Payload
from tests.servers import wait_until

SHORT = "batch.short"
KNOWN, BEHIND = 50, 30


class Work:
    """Runs at once, but for one that waits until it is told to end."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.ran: list[int] = []

    def __call__(self, given: Payload, context: TaskContext) -> Payload:
        number = int(getattr(given, "number", -1))
        if number == 0:
            self.gate.wait(120)
        self.ran.append(number)
        return given


@pytest.fixture
def work(engine: Engine) -> Iterator[Work]:
    found = Work()
    engine.define(SHORT, found)
    engine.worker()
    yield found
    found.gate.set()


def batch_behind_a_long_run(engine: Engine, slots: int) -> list[str]:
    """The ids of a run that lasts, and of those that were given to the agent with it; none of them stays begun."""
    engine.agent(max_concurrency=slots)
    engine.wait_for_all([engine.submit(SHORT) for _ in range(KNOWN)])  # it is known as short then
    ids = engine.submitter.submit_many([{"type": SHORT, "input": {"number": n}} for n in range(BEHIND + 1)])
    engine.wait_for(ids[0], "in_progress")
    wait_until(lambda: {engine.task(id_).state for id_ in ids[1:]} <= {"completed", "assigned", "pending"})
    return ids


def test_what_waits_behind_a_long_run_runs_in_other_slots(engine: Engine, work: Work) -> None:
    ids = batch_behind_a_long_run(engine, 2)
    engine.wait_for_all(ids[1:])
    assert sorted(work.ran[KNOWN:]) == list(range(1, BEHIND + 1))
    assert engine.task(ids[0]).state == "in_progress"


def test_a_cancelled_one_behind_a_long_run_does_not_run(engine: Engine, work: Work) -> None:
    ids = batch_behind_a_long_run(engine, 1)
    cancelled = ids[1::2]
    for id_ in cancelled:
        engine.submitter.cancel(id_, actor="test")
    work.gate.set()
    engine.wait_for_all([id_ for id_ in ids if id_ not in cancelled])
    assert not set(work.ran[KNOWN:]) & set(range(1, BEHIND + 1, 2))
    assert "handed_back" in {event.event for id_ in ids for event in engine.history(id_)}
