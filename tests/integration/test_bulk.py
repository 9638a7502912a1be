"""Operations on many tasks change each like a single one, and nothing else, whatever happens meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from taskyard.core.errors import Busy, SubmissionError, Unavailable
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.database import Database
from taskyard.core.states import TaskState
from taskyard.core.submission import bulk
from taskyard.core.submission.bulk import Bulk
from taskyard.core.submission.bulk_operation import Action, Operation
from tests.engine import Engine
from tests.gates import Gate
from tests.servers import wait_until

FAILED = TaskFilter(states=(TaskState.FAILED,))
RETRY = Operation(Action.RETRY, "ann", "the disk is back")
CANCEL = Operation(Action.CANCEL, "ann", "wrong data")
URGENT = Operation(Action.PRIORITY, "ann", "month's end", "urgent")


@pytest.fixture
def operations(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Bulk:
    """In batches of three."""
    monkeypatch.setattr(bulk, "BATCH_SIZE", 3)
    return Bulk(engine.database, engine.submitter.commands)


def fail(engine: Engine, ids: Sequence[str]) -> None:
    """As if their last attempts had failed."""
    with engine.database.transaction() as tx:
        tx.rows(
            "UPDATE tasks SET state = 'failed', finished_at = now(), started_at = now(), attempt = 3, "
            'error = \'{"class": "transient", "message": "disk"}\' WHERE id = ANY(%(ids)s::uuid[])',
            {"ids": list(ids)},
        )


def submit(engine: Engine, count: int, type: str = "demo.echo", **options: Any) -> list[str]:
    return engine.submitter.submit_many([{"type": type, **options}] * count)


def states(engine: Engine, ids: Sequence[str]) -> list[str]:
    return [engine.task(task_id).state.value for task_id in ids]


def notes(database: Database) -> list[tuple[str, str, dict[str, Any]]]:
    with database.transaction() as tx:
        statement = (
            "SELECT event, actor, detail FROM task_events WHERE task_id IS NULL AND event LIKE 'bulk%%' ORDER BY at"
        )
        return [tuple(row) for row in tx.rows(statement, {})]


def test_everything_that_matches_is_retried(engine: Engine, operations: Bulk) -> None:
    failed, other = submit(engine, 8), submit(engine, 2)
    fail(engine, failed)
    said: list[tuple[int, int, int]] = []
    result = operations.run_matching(RETRY, FAILED, progress=lambda *counts: said.append(counts))
    assert (result.done, result.skipped, result.dependants, result.is_stopped) == (8, 0, 0, False)
    assert said == [(3, 0, 8), (6, 0, 8), (8, 0, 8)]
    assert states(engine, [*failed, *other]) == ["pending"] * 10
    task = engine.task(failed[0])
    assert (task.attempt, task.refunded, task.error, task.finished_at) == (3, 3, None, None)
    event = engine.history(failed[0])[-1]
    assert (event.event, event.actor, event.from_state, event.to_state) == ("retried", "ann", "failed", "pending")
    assert event.detail == {"reason": "the disk is back"}
    assert engine.broker.leftovers()["ready tasks"] == 10


def test_the_operation_itself_is_audited(engine: Engine, operations: Bulk) -> None:
    fail(engine, submit(engine, 4))
    result = operations.run_matching(RETRY, TaskFilter(types=("demo.echo",)))
    (started, began_by, before), (finished, _, after) = notes(engine.database)
    assert (started, finished, began_by) == ("bulk_started", "bulk_finished", "ann")
    assert before["bulk"] == after["bulk"] == result.id
    assert (before["action"], before["reason"], before["total"]) == ("retry", "the disk is back", 4)
    assert before["filter"]["types"] == ["demo.echo"]
    assert before["filter"]["states"] == ["failed", "cancelled"]
    assert (after["done"], after["skipped"], after["dependants"], after["ended"]) == (4, 0, 0, "completed")


def test_what_was_submitted_after_the_preview_is_left_alone(engine: Engine, operations: Bulk) -> None:
    early = submit(engine, 4)
    with engine.database.transaction() as tx:
        matching = bulk.preview(tx, CANCEL, TaskFilter())
    late = submit(engine, 4)
    result = operations.run_matching(CANCEL, TaskFilter(), matching=matching)
    assert (matching.count, result.done) == (4, 4)
    assert states(engine, early) == ["cancelled"] * 4
    assert states(engine, late) == ["pending"] * 4


def test_cancelling_takes_what_waits_along_and_tells_agents(engine: Engine, operations: Bulk, gate: Gate) -> None:
    engine.worker()
    engine.agent(max_concurrency=1)
    running = engine.submit("demo.gate", {"n": 1})
    engine.wait_for(running, "in_progress")
    waiting = submit(engine, 3, "demo.gate")
    child = engine.submit("demo.echo", after=[waiting[0]])
    grandchild = engine.submit("demo.echo", after=[child])
    result = operations.run_matching(CANCEL, TaskFilter(types=("demo.gate",)))
    assert (result.done, result.dependants) == (4, 2)
    assert states(engine, [running, *waiting, child, grandchild]) == ["cancelled"] * 6
    assert gate.saw_cancel.wait(5)
    gate.open.set()
    wait_until(lambda: engine.broker.leftovers()["ready tasks"] == 0)


def test_another_priority_is_given_and_queued(engine: Engine, operations: Bulk) -> None:
    ids = submit(engine, 5)
    already = submit(engine, 1, priority="urgent")
    later = engine.submit("demo.echo", delay_seconds=1000)
    result = operations.run_matching(URGENT, TaskFilter())
    assert (result.done, result.skipped) == (6, 0)
    assert {engine.task(task_id).priority.label for task_id in [*ids, later]} == {"urgent"}
    assert "reprioritised" not in engine.events(already[0])
    event = engine.history(ids[0])[-1]
    assert event.detail == {"from": 1, "to": 3, "reason": "month's end"}
    lane = engine.broker.keys.ready("default|demo.echo|")
    assert len({round(score) for _, score in engine.redis.zrange(lane, 0, -1, withscores=True)}) <= 2
    assert engine.redis.zcard(engine.broker.keys.due) == 1


def test_listed_tasks_whose_state_does_not_allow_it_are_skipped(engine: Engine, operations: Bulk) -> None:
    failed, waiting = submit(engine, 3), submit(engine, 2)
    fail(engine, failed)
    unknown = "0199c0de-0000-7000-8000-000000000001"
    result = operations.run_listed(RETRY, [*failed, *waiting, unknown, failed[0].upper()])
    assert (result.done, result.skipped) == (3, 3)
    assert operations.run_listed(RETRY, failed).skipped == 3  # again
    assert [detail["tasks"] for event, _, detail in notes(engine.database) if event == "bulk_started"] == [6, 3]


def test_it_can_be_stopped_between_batches_and_done_again(engine: Engine, operations: Bulk) -> None:
    ids = submit(engine, 8)
    fail(engine, ids)
    stopped = operations.run_matching(RETRY, FAILED, should_stop=lambda: True)
    assert (stopped.done, stopped.is_stopped) == (3, True)
    assert sorted(states(engine, ids)) == ["failed"] * 5 + ["pending"] * 3
    assert notes(engine.database)[-1][2]["ended"] == "stopped"
    assert operations.run_matching(RETRY, FAILED).done == 5
    assert all(engine.events(task_id).count("retried") == 1 for task_id in ids)


def test_what_breaks_in_between_is_noted_and_the_rest_is_left(
    engine: Engine, operations: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = submit(engine, 5)
    fail(engine, ids)

    def break_off(done: int, skipped: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        operations.run_matching(RETRY, FAILED, progress=break_off)
    assert notes(engine.database)[-1][2]["ended"] == "interrupted"
    assert sorted(states(engine, ids)) == ["failed"] * 2 + ["pending"] * 3


def test_a_lost_database_is_what_the_caller_learns(engine: Engine, operations: Bulk) -> None:
    fail(engine, submit(engine, 5))
    with pytest.raises(Unavailable), engine.postgresql_away():
        operations.run_matching(RETRY, FAILED)


def test_a_batch_that_met_a_deadlock_is_done_again(
    engine: Engine, operations: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody locks two rows against the order in which the batch does."""
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0.0)
    first, second = submit(engine, 2)
    results = []
    lock = "SELECT FROM tasks WHERE id = %(id)s::uuid FOR UPDATE"
    thread = threading.Thread(target=lambda: results.append(operations.run_listed(CANCEL, [first, second])))
    with engine.database.transaction() as tx:
        tx.rows("SET LOCAL deadlock_timeout = '60s'", {})  # it's the batch that is told
        tx.rows(lock, {"id": second})
        thread.start()
        waits = "SELECT FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')"
        with engine.database.transaction() as other:
            wait_until(lambda: other.rows(waits, {}) != [])
        tx.rows(lock, {"id": first})
    thread.join()
    assert results[0].done == 2
    assert states(engine, [first, second]) == ["cancelled"] * 2


def test_a_deadlock_that_stays_is_busy(engine: Engine, operations: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0.0)
    tries = []

    def busy(*given: Any, **options: Any) -> int:
        tries.append(given)
        raise Busy("a deadlock")

    monkeypatch.setattr(engine.submitter.commands, "retry_many", busy)
    with pytest.raises(Busy):
        operations.run_listed(RETRY, submit(engine, 1))
    assert len(tries) == bulk.TRIES


def test_beside_a_running_engine_every_task_ends_once(engine: Engine, operations: Bulk) -> None:
    """Cancelling races with ticks that claim and settle the same tasks."""
    engine.worker()
    engine.agent(max_concurrency=2)
    ids = submit(engine, 300)
    result = operations.run_matching(CANCEL, TaskFilter())
    wait_until(lambda: set(engine.counts()) <= {"completed", "cancelled"}, 30)
    final = states(engine, ids)
    assert final.count("cancelled") == result.done
    for task_id, state in zip(ids, final, strict=True):
        ends = [e.event for e in engine.history(task_id) if e.event in ("completed", "cancelled", "failed")]
        assert ends == [state]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\x00", None])
def test_a_reason_is_asked_for(reason: Any) -> None:
    with pytest.raises(SubmissionError, match=r"^reason(: .*expected a reason of| is required:) 1 to 500 characters"):
        Operation(Action.RETRY, "ann", reason)


def test_operations_say_what_they_can_not_do() -> None:
    with pytest.raises(
        SubmissionError, match=r"^states: 'completed' .*failed or cancelled, the only states that allow retry"
    ):
        RETRY.narrowed(TaskFilter(states=(TaskState.COMPLETED,)))
    with pytest.raises(
        SubmissionError, match=r"^priorities: 'urgent' is not accepted, expected a different priority from the new one"
    ):
        URGENT.narrowed(TaskFilter(priorities=("urgent",)))  # type: ignore[arg-type]
    with pytest.raises(SubmissionError, match=r"^priority: "):
        Operation(Action.PRIORITY, "ann", "why", "highest")
    with pytest.raises(SubmissionError, match=r"^priority: "):
        Operation(Action.RETRY, "ann", "why", "high")


def test_an_age_counts_from_the_preview(engine: Engine, operations: Bulk) -> None:
    fail(engine, submit(engine, 2))
    operations.run_matching(RETRY, TaskFilter(since="1h"))
    kept = notes(engine.database)[0][2]["filter"]
    assert all(datetime.fromisoformat(kept[name]).tzinfo for name in ("since", "until"))
    assert datetime.fromisoformat(kept["until"]) <= datetime.now(UTC)
