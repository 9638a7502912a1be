"""A submitter's wake-up names its task: a leader who knows the lane to be empty need not look into it."""

from __future__ import annotations

from typing import Any

import pytest

from taskyard.core.redis.broker import Broker
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.dispatch import placement_pass
from tests.engine import Engine, Payload


def echo(given: Payload, context: TaskContext) -> Payload:
    return given


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The lanes of each look."""
    found: list[list[str]] = []
    peek = Broker.peek

    def watched(self: Broker, now: float, wanted: Any) -> Any:
        found.append([lane.type for lane in wanted])
        return peek(self, now, wanted)

    monkeypatch.setattr(Broker, "peek", watched)
    return found


def test_tasks_are_placed_as_told(engine: Engine, looks: list[list[str]]) -> None:
    engine.define("told.echo", echo)
    engine.worker()
    engine.agent()
    for number in range(20):
        engine.wait_for(engine.submit("told.echo", {"n": number}))
    assert len(looks) < 20  # the roster has it look now and then
    assert engine.broker.leftovers()["ready tasks"] == 0


def test_more_than_a_few_are_looked_for(
    engine: Engine, looks: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement_pass, "MAX_TOLD", 0)
    engine.define("told.echo", echo)
    engine.worker()
    engine.agent()
    engine.wait_for(engine.submit("told.echo"))
    assert ["told.echo"] in looks


def test_told_tasks_wait_in_their_order_while_there_is_no_room(engine: Engine) -> None:
    engine.define("told.echo", echo)
    engine.worker()
    ids = [engine.submit("told.echo", priority=priority) for priority in ("low", "medium", "urgent")]
    engine.agent(max_concurrency=1)
    engine.wait_for_all(ids)
    starts = [engine.task(id_).assigned_at for id_ in ids]
    assert starts[2] is not None
    assert starts[0] is not None
    assert starts[2] <= starts[0]


def test_a_task_that_was_cancelled_meanwhile_is_not_run(engine: Engine) -> None:
    engine.define("told.echo", echo)
    cancelled = engine.submit("told.echo")
    engine.submitter.cancel(cancelled, actor="me")
    engine.worker()
    engine.agent()
    engine.wait_for(engine.submit("told.echo"))
    assert engine.task(cancelled).attempt == 0
