"""Retry and time: nothing is run without what it waited for, and what was set for a time keeps it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from taskyard.core.errors import IllegalTransition, PermanentError, TransientError
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.submission.bulk import Bulk, preview
from taskyard.core.submission.bulk_operation import Action, Operation
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.worker.attempts.context import TaskContext
from tests.engine import Engine, Payload
from tests.servers import wait_until

TOMORROW = datetime.now(UTC) + timedelta(days=1)
ME = {"actor": "me", "reason": "again"}
Flaky = Callable[[], None]


@pytest.fixture
def is_broken(engine: Engine) -> dict[str, bool]:
    """With a worker, an agent, and a type `demo.flaky` that fails for good while this says so."""
    state = {"now": True}

    def flaky(given: Payload, context: TaskContext) -> Payload:
        if state["now"]:
            raise PermanentError("broken")
        return given

    engine.define("demo.flaky", flaky)
    engine.worker()
    engine.agent()
    return state


def family(engine: Engine) -> tuple[str, str, str]:
    """A parent that has failed, its child, and a child of that: both cancelled."""
    parent = engine.submit("demo.flaky", delay_seconds=0.5)  # until the others are there
    child = engine.submit("demo.echo", after=[parent])
    grandchild = engine.submit("demo.echo", after=[child])
    engine.wait_for(parent, "failed")
    engine.wait_for_all([child, grandchild], "cancelled")
    return parent, child, grandchild


def test_a_child_is_not_run_without_its_parent(engine: Engine, is_broken: dict[str, bool]) -> None:
    parent, child, grandchild = family(engine)
    with pytest.raises(IllegalTransition, match=f"depends on task {parent}, which is failed"):
        engine.submitter.retry(child, **ME)
    with pytest.raises(IllegalTransition, match=f"depends on task {child}, which is cancelled"):
        engine.submitter.retry(grandchild, **ME)
    assert [engine.task(id_).state for id_ in (child, grandchild)] == ["cancelled"] * 2
    is_broken["now"] = False
    for id_ in (parent, child, grandchild):  # one after the other, as the errors say
        engine.submitter.retry(id_, **ME)
        engine.wait_for(id_, "completed")


def test_a_parent_that_failed_again_has_not_completed(engine: Engine, is_broken: dict[str, bool]) -> None:
    parent, child, _ = family(engine)
    engine.submitter.retry(parent, **ME)
    engine.wait_for(parent, "failed")
    with pytest.raises(IllegalTransition, match=f"depends on task {parent}"):
        engine.submitter.retry(child, **ME)


def test_of_several_parents_the_one_in_the_way_is_named(engine: Engine, is_broken: dict[str, bool]) -> None:
    good, bad = engine.submit("demo.echo"), engine.submit("demo.flaky", delay_seconds=0.2)
    child = engine.submit("demo.echo", after=[good, bad])
    engine.wait_for(child, "cancelled")
    assert engine.task(good).state == "completed"
    with pytest.raises(IllegalTransition, match=f"depends on task {bad}"):
        engine.submitter.retry(child, **ME)


def test_what_an_operator_cancelled_waits_for_its_parent_too(engine: Engine) -> None:
    parent = engine.submit("demo.echo", delay_seconds=3600)
    child = engine.submit("demo.echo", after=[parent])
    engine.submitter.cancel(child, actor="me")
    with pytest.raises(IllegalTransition, match=f"depends on task {parent}, which is scheduled"):
        engine.submitter.retry(child, **ME)


def test_a_parent_that_is_gone_is_said(engine: Engine, is_broken: dict[str, bool]) -> None:
    parent, child, _ = family(engine)
    with engine.database.transaction() as tx:
        tx.rows("DELETE FROM tasks WHERE id = %(id)s", {"id": parent})
    with pytest.raises(IllegalTransition, match=f"{parent}, which no longer exists: submit it again"):
        engine.submitter.retry(child, **ME)


def test_bulk_retries_what_can_start_and_counts_it_so(engine: Engine, is_broken: dict[str, bool]) -> None:
    parent, child, grandchild = family(engine)
    bulk, operation = Bulk(engine.database, engine.submitter.commands), Operation(Action.RETRY, "me", "again")
    with engine.database.transaction() as tx:
        seen = preview(tx, operation, TaskFilter())
    assert seen.count == 1
    is_broken["now"] = False
    result = bulk.run_matching(operation, TaskFilter(), matching=seen)
    assert (result.done, result.skipped) == (1, 0)
    engine.wait_for(parent, "completed")
    assert [engine.task(id_).state for id_ in (child, grandchild)] == ["cancelled"] * 2
    listed = bulk.run_listed(operation, [child, grandchild])
    assert (listed.done, listed.skipped) == (1, 1)
    engine.wait_for(child, "completed")


def test_two_retries_at_once_are_one(engine: Engine, is_broken: dict[str, bool]) -> None:
    parent = engine.submit("demo.flaky")
    engine.wait_for(parent, "failed")
    is_broken["now"] = False

    def retried(_: int) -> bool:
        try:
            engine.submitter.retry(parent, **ME)
        except IllegalTransition:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(retried, range(4))) == 1
    engine.wait_for(parent, "completed")
    assert engine.events(parent).count("retried") == 1


def test_a_task_for_tomorrow_stays_one(engine: Engine) -> None:
    for options in ({"run_at": TOMORROW}, {"delay_seconds": 86_400}):
        task_id = engine.submit("demo.echo", **options)
        due = engine.task(task_id).run_at
        engine.submitter.cancel(task_id, actor="me")
        engine.submitter.retry(task_id, **ME)
        task = engine.task(task_id)
        assert (task.state, task.run_at, task.ready_at) == ("scheduled", due, due)
        assert [e.to_state for e in engine.history(task_id) if e.event == "retried"] == ["scheduled"]


def test_a_blocked_task_for_tomorrow_stays_one(engine: Engine) -> None:
    engine.worker()
    parent = engine.submit("demo.echo")
    child = engine.submit("demo.echo", after=[parent], run_at=TOMORROW)
    engine.submitter.cancel(child, actor="me")
    engine.agent()
    engine.wait_for(parent, "completed")
    engine.submitter.retry(child, **ME)
    task = engine.task(child)
    assert (task.state, task.run_at) == ("scheduled", TOMORROW)


def test_a_retried_task_runs_at_its_time(engine: Engine) -> None:
    engine.worker()
    engine.agent()
    task_id = engine.submit("demo.echo", delay_seconds=1.0)
    engine.submitter.cancel(task_id, actor="me")
    engine.submitter.retry(task_id, **ME)
    task = engine.wait_for(task_id, "completed")
    assert task.run_at is not None
    assert task.started_at >= task.run_at


def test_a_pause_between_attempts_ends_with_a_retry(engine: Engine) -> None:
    def fail(given: Payload, context: TaskContext) -> Payload:
        if context.attempt == 1:
            raise TransientError("not yet")
        return given

    engine.define("demo.pausing", fail, retry=RetryPolicy(backoff_seconds=3600.0, max_backoff_seconds=3600.0))
    engine.worker()
    engine.agent()
    task_id = engine.submit("demo.pausing", max_attempts=3)
    wait_until(lambda: engine.task(task_id).state == "scheduled")
    engine.submitter.cancel(task_id, actor="me")
    engine.submitter.retry(task_id, **ME)
    assert engine.wait_for(task_id, "completed").attempt == 2
