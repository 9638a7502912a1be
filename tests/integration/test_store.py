"""Every statement that changes a task, tried on a row in every state: guards, legal transitions, audit rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg2.errors
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskyard.core.edges import Condition, RetryScope
from taskyard.core.errors import IllegalTransition, TaskNotFound
from taskyard.core.models import Lane, Task, Waiting
from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Database, DriverTransaction, Transaction, connect_leader
from taskyard.core.postgres.store import audit, commands, dependants, recovery, retries, suspension, tasks, tick
from taskyard.core.postgres.store.dependants import Ended, Slice
from taskyard.core.postgres.store.suspension import Suspension
from taskyard.core.postgres.store.tick import Completion, Settlement, Stale
from taskyard.core.states import CLAIMED, TERMINAL, WAITING, Priority, TaskState, is_legal
from taskyard.core.submission.retries import planned
from taskyard.core.submission.signals import store_signal
from taskyard.worker.dispatch.batch import Arrival, Batch
from taskyard.worker.dispatch.committer import commit
from tests.databases import Databases
from tests.unit.leader_state_support import info, task_id

AGENT = "coder-1:a"
ATTEMPT = 3
TASK, PARENT = task_id(1), task_id(100)
UNTIL = '{"kind":"time"}'
ERROR = '{"class":"permanent","message":"no use"}'
PAST, FUTURE = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-1, 1))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    database.close()


@pytest.fixture(scope="module")
def shared_database(databases: Databases) -> Iterator[Database]:
    with databases.copy() as url:
        database = Database(url, pool_size=1)
        yield database
        database.close()


@pytest.fixture
def tx(shared_database: Database) -> Iterator[DriverTransaction]:
    """A transaction that is rolled back, in a database that many tests share."""
    with shared_database.pool.lent(autocommit=False) as connection, connection.cursor() as cursor:
        yield DriverTransaction(cursor)


def insert(tx: Transaction, state: str, number: int = 1, **changes: object) -> str:
    """A row that is legal in its state and has been given out ATTEMPT times; a blocked one waits for PARENT."""
    claimed = state in CLAIMED or state in ("completed", "failed")
    values: dict[str, object] = {
        "id": task_id(number),
        "queue": "default",
        "type": "demo.work",
        "state": state,
        "priority": 1,
        "input": "{}",
        "requires": "{gpu}",
        "attempt": ATTEMPT,
        "refunded": 1,
        "refunds": 1,
        "max_attempts": 5,
        "timeout_seconds": 60,
        "ready_at": PAST,
        "created_at": PAST,
        "run_at": PAST if state == "scheduled" else None,
        "waiting_on": int(state == "blocked"),
        "assigned_agent_id": AGENT if claimed else None,
        "assigned_at": PAST if claimed else None,
        "started_at": PAST if state in ("in_progress", "completed") else None,
        "finished_at": PAST if state in TERMINAL else None,
        "error": ERROR if state == "failed" else None,
        "suspension": '{"kind": "signal", "name": "approved"}' if state == "suspended" else None,
        **changes,
    }
    columns = ", ".join(values)
    tx.rows(f"INSERT INTO tasks ({columns}) VALUES ({', '.join(f'%({name})s' for name in values)})", values)
    if state == "blocked":
        parameters = {"parent": PARENT, "child": values["id"]}
        tx.rows("INSERT INTO task_dependencies (parent_id, child_id) VALUES (%(parent)s, %(child)s)", parameters)
    return task_id(number)


def edges(tx: Transaction) -> dict[tuple[str, str], tuple[bool, bool]]:
    """All edges, (parent, child): whether each is open, and whether it is met."""
    rows = tx.rows("SELECT parent_id, child_id, is_open, met_at IS NOT NULL FROM task_dependencies", {})
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def whole_row(tx: Transaction) -> tuple[Any, ...]:
    return tx.rows("SELECT * FROM tasks WHERE id = %(id)s", {"id": TASK})[0]


def settle(tx: Transaction, to_state: str, **changes: Any) -> set[str]:
    delay = 30.0 if to_state == "scheduled" else None
    error = ERROR if to_state == "failed" else None
    fields = {"error": error, "delay_seconds": delay, "detail": '{"reason":"test"}'} | changes
    settlement = Settlement(TASK, fields.pop("attempt", ATTEMPT), to_state, "settled", **fields)
    return tick.settle(tx, [settlement])[0]


def complete(tx: Transaction, attempt: int = ATTEMPT) -> set[str]:
    return tick.complete(tx, [Completion(TASK, attempt, '{"n":1}', PAST.timestamp(), 1.5)])


def suspend(tx: Transaction, delay_seconds: float | None = 60.0) -> None:
    suspension.suspend(tx, [Suspension(TASK, ATTEMPT, UNTIL, delay_seconds)])


def refusable(operation: Callable[[Transaction], object]) -> Callable[[Transaction], object]:
    """An operator's action; that it refuses is seen in the row, and in its error."""

    def run(tx: Transaction) -> None:
        with contextlib.suppress(IllegalTransition):
            operation(tx)

    return run


def unblock(tx: Transaction, *parents: str) -> list[Waiting]:
    """What the tick does once these tasks are completed."""
    for parent in parents:
        if tasks.find_task(tx, parent) is None:
            insert(tx, "completed", int(parent[-12:]))
    return dependants.settle(tx, Ended(list(parents), []), "test").waiting


def retry_parent(tx: Transaction) -> None:
    """An operator's retry of PARENT, which had failed, with what comes after it."""
    insert(tx, "failed", int(PARENT[-12:]))
    tx.rows(
        "INSERT INTO task_dependencies (parent_id, child_id, condition, is_open, met_at)"
        " VALUES (%(parent)s, %(child)s, 'ended', false, now()) ON CONFLICT DO NOTHING",
        {"parent": PARENT, "child": TASK},
    )
    found = planned(tx, [PARENT], RetryScope.DOWNSTREAM)
    assert found is not None
    retries.lock(tx, found.plan)
    retries.apply(tx, found.graph, found.plan, RetryScope.DOWNSTREAM, "test", "why")


OPERATIONS: dict[str, Callable[[Transaction], object]] = {
    "complete": complete,
    "fail": lambda tx: settle(tx, "failed"),
    "try again later": lambda tx: settle(tx, "scheduled"),
    "hand back": lambda tx: settle(tx, "pending", refund=1, agent_id=AGENT),
    "start": lambda tx: tick.start(tx, [(TASK, ATTEMPT, PAST.timestamp())]),
    "claim": lambda tx: tick.claim(tx, [TASK], ["coder-2:b"]),
    "unblock": lambda tx: unblock(tx, PARENT),
    "cancel descendants": lambda tx: dependants.cancel_below(tx, [PARENT], "test"),
    "cancel": refusable(lambda tx: commands.cancel(tx, TASK, "test", "why")),
    "retry": refusable(lambda tx: commands.retry(tx, TASK, "test", "why")),
    "retry a parent": retry_parent,
    "reprioritise": refusable(lambda tx: commands.reprioritise(tx, TASK, Priority.URGENT, "test")),
    "progress": lambda tx: tick.update_progress(tx, [(TASK, ATTEMPT, 0.5, "half")]),
    "checkpoint": lambda tx: tick.save_checkpoints(tx, [(TASK, ATTEMPT, "{}", 0, None)]),
    "suspend": lambda tx: suspend(tx),
    "suspend without a time": lambda tx: suspend(tx, delay_seconds=None),
    "wake": lambda tx: suspension.wake(tx, [TASK], "test"),
    "signal": refusable(
        lambda tx: store_signal(tx, TASK, "approved", "1", "{}", "test", "", "signal", 1 << 20)  # type: ignore[arg-type]
    ),
    "signal of another name": refusable(
        lambda tx: store_signal(tx, TASK, "other", "1", "{}", "test", "", "signal", 1 << 20)  # type: ignore[arg-type]
    ),
    "log": lambda tx: tick.add_logs(tx, [(TASK, "log", ATTEMPT, "agent:a", AGENT, "{}")]),
    "note stale": lambda tx: tick.note_stale(tx, [Stale(TASK, ATTEMPT, AGENT, "completed")]),
}
CLAIMED_TO = {"complete": "completed", "fail": "failed", "try again later": "scheduled", "hand back": "pending"}
EXPECTED: dict[tuple[str, str], str] = {
    **{(operation, state): to for operation, to in CLAIMED_TO.items() for state in ("assigned", "in_progress")},
    ("start", "assigned"): "in_progress",
    ("claim", "pending"): "assigned",
    ("claim", "scheduled"): "assigned",
    ("unblock", "blocked"): "pending",
    **{(name, state): "suspended" for name in ("suspend", "suspend without a time") for state in CLAIMED},
    ("wake", "suspended"): "pending",
    ("signal", "suspended"): "pending",
    ("cancel descendants", "blocked"): "cancelled",
    **{
        ("cancel", state): "cancelled"
        for state in ("blocked", "scheduled", "pending", "assigned", "in_progress", "suspended")
    },
    ("retry", "failed"): "pending",
    ("retry", "cancelled"): "pending",
    **{("retry a parent", state): "blocked" for state in ("scheduled", "pending", "completed", "failed", "cancelled")},
}


CHANGES_NO_STATE = {("reprioritise", state) for state in WAITING} | {
    (operation, state) for operation in ("progress", "checkpoint") for state in CLAIMED
}
CHANGES_NO_STATE |= {
    (operation, state)
    for operation in ("signal", "signal of another name")
    for state in TaskState
    if state not in TERMINAL
}


@pytest.mark.parametrize("state", TaskState)
@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_what_an_operation_does_in_a_state(tx: DriverTransaction, operation: str, state: TaskState) -> None:
    insert(tx, state)
    before = whole_row(tx)
    OPERATIONS[operation](tx)
    is_touched = (operation, state) in EXPECTED or (operation, state) in CHANGES_NO_STATE
    assert (whole_row(tx) != before) == is_touched
    task = tasks.get_task(tx, TASK)
    assert task.state == EXPECTED.get((operation, state), state)
    changes = [event for event in tasks.history(tx, TASK) if event.from_state != event.to_state]
    if task.state == state:
        assert changes == []
        return
    assert is_legal(state, task.state)
    [event] = changes
    assert (event.from_state, event.to_state, event.attempt) == (state, task.state, task.attempt)
    assert event.actor in ("dispatcher", "test")
    assert task.attempt == ATTEMPT + (operation == "claim")


@pytest.mark.parametrize("attempt", [ATTEMPT - 1, ATTEMPT + 1])
@pytest.mark.parametrize("state", sorted(CLAIMED))
def test_another_attempts_reports_change_nothing(tx: DriverTransaction, state: str, attempt: int) -> None:
    insert(tx, state)
    before = whole_row(tx)
    assert complete(tx, attempt) == set()
    for to_state in ("failed", "scheduled", "pending"):
        assert settle(tx, to_state, attempt=attempt) == set()
    tick.start(tx, [(TASK, attempt, 1.0)])
    tick.update_progress(tx, [(TASK, attempt, 0.5, "half")])
    assert tick.save_checkpoints(tx, [(TASK, attempt, "{}", 0, None)]) == set()
    assert suspension.suspend(tx, [Suspension(TASK, attempt, UNTIL)]) == []
    assert whole_row(tx) == before
    assert tasks.history(tx, TASK) == []


def test_another_boots_claim_is_not_settled(tx: DriverTransaction) -> None:
    insert(tx, "assigned")
    before = whole_row(tx)
    assert settle(tx, "pending", agent_id="coder-1:b") == set()
    assert whole_row(tx) == before
    assert settle(tx, "pending", agent_id=AGENT) == {TASK}


def test_a_result_counts_once(tx: DriverTransaction) -> None:
    insert(tx, "in_progress")
    assert complete(tx) == {TASK}
    before = whole_row(tx)
    assert complete(tx) == set()
    assert settle(tx, "failed") == set()
    assert whole_row(tx) == before
    assert len(tasks.history(tx, TASK)) == 1


def test_a_fast_task_gets_its_start_from_its_end(tx: DriverTransaction) -> None:
    insert(tx, "assigned")
    complete(tx)
    task = tasks.get_task(tx, TASK)
    assert task.output == {"n": 1}
    assert task.started_at == PAST
    assert task.finished_at is not None
    [event] = tasks.history(tx, TASK)
    assert (event.detail, event.run_seconds) == (None, 1.5)
    assert event.agent_id == AGENT


def test_progress_and_checkpoints_of_the_current_attempt(tx: DriverTransaction) -> None:
    insert(tx, "in_progress")
    tick.update_progress(tx, [(TASK, ATTEMPT, 0.5, 'half "way"')])
    assert tick.save_checkpoints(tx, [(TASK, ATTEMPT, '{"step":3}', 0, None)]) == {TASK}
    task = tasks.get_task(tx, TASK)
    assert (task.progress, task.progress_message, task.checkpoint) == (0.5, 'half "way"', {"step": 3})


# budgets


def budget(tx: Transaction) -> tuple[int, int, int]:
    return tx.rows("SELECT attempt, refunded, refunds FROM tasks WHERE id = %(id)s", {"id": TASK})[0]  # type: ignore[return-value]


def test_a_refund_is_counted_twice(tx: DriverTransaction) -> None:
    """Against the attempts, and against the limit of refunds."""
    insert(tx, "assigned")
    settle(tx, "pending", refund=1, counted_refund=1)
    assert budget(tx) == (ATTEMPT, 2, 2)


def test_a_refund_without_limit_is_counted_against_the_attempts_alone(tx: DriverTransaction) -> None:
    insert(tx, "assigned")
    settle(tx, "pending", refund=1)
    assert budget(tx) == (ATTEMPT, 2, 1)


def test_a_charged_attempt_is_not_refunded(tx: DriverTransaction) -> None:
    insert(tx, "in_progress")
    settle(tx, "scheduled")
    assert budget(tx) == (ATTEMPT, 1, 1)


def test_more_refunds_than_attempts_are_impossible(tx: DriverTransaction) -> None:
    insert(tx, "assigned", refunded=ATTEMPT)
    with pytest.raises(psycopg2.errors.CheckViolation, match="tasks_refunds_bounded"):
        settle(tx, "pending", refund=1)


def test_an_operators_retry_gives_a_whole_budget(tx: DriverTransaction) -> None:
    insert(tx, "failed", attempt=5, progress=0.5, checkpoint='{"step":3}', waiting_on=2)
    waiting = commands.retry(tx, TASK, "ann", "fixed")
    assert budget(tx) == (5, 5, 0)
    task = tasks.get_task(tx, TASK)
    assert (task.error, task.finished_at, task.started_at, task.assigned_agent_id) == (None, None, None, None)
    assert (task.progress, task.waiting_on, task.checkpoint) == (None, 0, {"step": 3})
    assert tasks.waiting(tx, [TASK]) == [waiting]


def test_a_suspension_is_refunded_and_no_refund(tx: DriverTransaction) -> None:
    insert(tx, "in_progress")
    suspend(tx)
    assert budget(tx) == (ATTEMPT, 2, 1)
    task = tasks.get_task(tx, TASK)
    assert (task.assigned_agent_id, task.assigned_at, task.started_at) == (None, None, None)
    [waiting] = tasks.waiting(tx, [TASK])
    assert waiting.is_due_later


def test_only_a_suspended_task_with_a_time_waits_in_redis(tx: DriverTransaction) -> None:
    insert(tx, "suspended", 1)
    insert(tx, "suspended", 2, run_at=FUTURE)
    ids = [task_id(1), task_id(2)]
    assert [waiting.id for waiting in tasks.waiting(tx, ids)] == [task_id(2)]
    assert [waiting.id for waiting in recovery.open_slice(tx, recovery.NIL, 10)[0]] == [task_id(2)]
    assert [id_ for id_, waiting in recovery.how_they_wait(tx, ids).items() if waiting] == [task_id(2)]


@pytest.mark.parametrize(("run_at", "is_claimed"), [(PAST, True), (FUTURE, False), (None, False)])
def test_a_suspended_task_is_claimed_once_its_time_has_come(
    tx: DriverTransaction, run_at: datetime | None, is_claimed: bool
) -> None:
    insert(tx, "suspended", run_at=run_at)
    assert [row.id for row in tick.claim(tx, [TASK], [AGENT])] == ([TASK] if is_claimed else [])


def test_a_claim_records_that_the_time_for_a_signal_ran_out(tx: DriverTransaction) -> None:
    insert(tx, "suspended", run_at=PAST, checkpoint="{}", checkpoint_signals='{"approved": 2}')
    store_signal(tx, TASK, "other", "a", '{"n":1}', "test", "", "signal", 1 << 20)
    [row] = tick.claim(tx, [TASK], [AGENT])
    resumed = orjson.loads(row.resumed or "")
    assert resumed["used"] == {"approved": 2}
    assert [one[:5] for one in resumed["received"]] == [
        [1, "other", "a", "signal", {"n": 1}],
        [2, "approved", "=2", "timeout", None],
    ]


def test_a_claim_of_a_task_without_signals_brings_none(tx: DriverTransaction) -> None:
    insert(tx, "pending")
    [row] = tick.claim(tx, [TASK], [AGENT])
    assert row.resumed is None


# waiting


def test_a_task_that_is_not_due_is_not_claimed(tx: DriverTransaction) -> None:
    insert(tx, "scheduled", run_at=FUTURE)
    assert tick.claim(tx, [TASK], [AGENT]) == []
    assert tasks.get_task(tx, TASK).state == "scheduled"


def test_a_claim_returns_what_must_be_published(tx: DriverTransaction) -> None:
    insert(tx, "pending", input='{"a": [1]}', checkpoint='{"step":3}', started_at=PAST)
    [row] = tick.claim(tx, [TASK, task_id(9)], [AGENT, AGENT])
    assert (row.id, row.attempt, row.agent_id, row.timeout_seconds) == (TASK, ATTEMPT + 1, AGENT, 60.0)
    assert (row.input, row.checkpoint, row.refunded, row.refunds) == ('{"a": [1]}', '{"step":3}', 1, 1)
    assert tasks.get_task(tx, TASK).started_at is None


def test_a_row_that_somebody_holds_is_skipped(database: Database) -> None:
    with database.transaction() as tx:
        insert(tx, "pending", 1)
        insert(tx, "pending", 2)
    with database.transaction() as holder, database.transaction() as claimer:
        holder.rows("SELECT FROM tasks WHERE id = %(id)s FOR UPDATE", {"id": task_id(1)})
        rows = tick.claim(claimer, [task_id(1), task_id(2)], [AGENT, AGENT])
        assert [row.id for row in rows] == [task_id(2)]


LANE = "default|demo.work|gpu"


def offered(tx: Transaction, *offers: tuple[str, str]) -> Slice:
    """What the tick does once PARENT is completed, with room at these agents."""
    return dependants.settle(tx, Ended([], []), "test", completed_here=[PARENT], offers=offers)


@pytest.mark.parametrize("changes", [{}, {"run_at": PAST, "checkpoint": '{"step":3}', "retry_afters": 2}])
def test_a_task_that_is_claimed_as_it_is_freed_is_as_if_it_had_waited(
    tx: DriverTransaction, changes: dict[str, object]
) -> None:
    rows, claims, stories = [], [], []
    for is_offered in (False, True):
        tx.rows("SAVEPOINT one", {})
        insert(tx, "completed", int(PARENT[-12:]))
        insert(tx, "blocked", **changes)
        done = offered(tx, *[(LANE, AGENT)] * is_offered)
        claims += [one.claim for one in done.freed] or tick.claim(tx, [TASK], [AGENT])
        assert [one.waiting.lane for one in done.freed] == [Lane("default", "demo.work", ("gpu",))] * is_offered
        rows.append(whole_row(tx))
        stories.append([(e.event, e.from_state, e.to_state, e.attempt, e.agent_id) for e in tasks.history(tx, TASK)])
        tx.rows("ROLLBACK TO SAVEPOINT one", {})
    assert rows[0] == rows[1]
    assert claims[0] == claims[1]
    assert stories[0] == stories[1]


def test_the_most_urgent_ones_take_the_offers_of_their_lane(tx: DriverTransaction) -> None:
    insert(tx, "completed", int(PARENT[-12:]))
    for number, priority in enumerate((0, 3, 1, 3), 1):
        insert(tx, "blocked", number, priority=priority)
    insert(tx, "blocked", 5, requires="{}")
    done = offered(
        tx, (LANE, AGENT), ("default|demo.other|", AGENT), (LANE, "other:1"), ("default|demo.work|", "other:1")
    )
    assert {one.claim.id: one.claim.agent_id for one in done.freed} == {
        task_id(2): AGENT,
        task_id(4): "other:1",
        task_id(5): "other:1",
    }
    assert {one.id for one in done.waiting} == {task_id(1), task_id(3)}


@pytest.mark.parametrize(
    "changes",
    [{"run_at": FUTURE}, {"waiting_on": 2}, {"has_signals": True}, {"suspension": '{"kind": "time"}'}],
    ids=["due later", "another parent", "signals", "was suspended"],
)
def test_an_offer_is_for_what_can_start_at_once_and_needs_nothing_more(
    tx: DriverTransaction, changes: dict[str, object]
) -> None:
    insert(tx, "completed", int(PARENT[-12:]))
    insert(tx, "blocked", **changes)
    assert offered(tx, (LANE, AGENT)).freed == []
    assert tasks.get_task(tx, TASK).state in ("scheduled", "blocked", "pending")


@pytest.mark.parametrize(("run_at", "state"), [(None, "pending"), (PAST, "pending"), (FUTURE, "scheduled")])
def test_the_last_parent_decides(tx: DriverTransaction, run_at: datetime | None, state: str) -> None:
    insert(tx, "blocked", run_at=run_at, waiting_on=2)
    other = {"parent": task_id(101), "child": TASK}
    tx.rows("INSERT INTO task_dependencies (parent_id, child_id) VALUES (%(parent)s, %(child)s)", other)
    assert unblock(tx, PARENT) == []
    assert unblock(tx, PARENT) == []
    [waiting] = unblock(tx, task_id(101))
    task = tasks.get_task(tx, TASK)
    assert (task.state, task.waiting_on) == (state, 0)
    assert waiting.is_due_later == (state == "scheduled")
    assert tasks.waiting(tx, [TASK]) == [waiting]


def test_both_parents_at_once(tx: DriverTransaction) -> None:
    insert(tx, "blocked", waiting_on=2)
    other = {"parent": task_id(101), "child": TASK}
    tx.rows("INSERT INTO task_dependencies (parent_id, child_id) VALUES (%(parent)s, %(child)s)", other)
    assert [waiting.id for waiting in unblock(tx, PARENT, task_id(101))] == [TASK]
    assert len(tasks.history(tx, TASK)) == 1


def test_everything_below_is_cancelled(tx: DriverTransaction) -> None:
    for number in (1, 2, 3):
        insert(tx, "blocked", number)
    tx.rows("DELETE FROM task_dependencies", {})
    for parent, child in ((PARENT, 1), (task_id(1), 2), (task_id(2), 3)):
        parameters = {"parent": parent, "child": task_id(child)}
        tx.rows("INSERT INTO task_dependencies (parent_id, child_id) VALUES (%(parent)s, %(child)s)", parameters)
    cancelled = dependants.cancel_below(tx, [PARENT], "dispatcher").cancelled
    assert sorted(cancelled) == [task_id(number) for number in (1, 2, 3)]
    assert edges(tx) == {
        (PARENT, TASK): (False, False),
        (TASK, task_id(2)): (False, False),
        (task_id(2), task_id(3)): (False, False),
    }


@pytest.mark.parametrize("condition", sorted(Condition))
@pytest.mark.parametrize("ending", sorted(TERMINAL))
def test_a_condition_releases_its_child_or_cancels_it(tx: DriverTransaction, condition: str, ending: str) -> None:
    insert(tx, ending, 100)
    insert(tx, "blocked")
    tx.rows("UPDATE task_dependencies SET condition = %(condition)s", {"condition": condition})
    ended = Ended([PARENT], []) if ending == "completed" else Ended([], [PARENT])
    done = dependants.settle(tx, ended, "dispatcher")
    is_met = condition in ("ended", ending)
    assert ([one.id for one in done.waiting], done.cancelled) == (([TASK], []) if is_met else ([], [TASK]))
    assert edges(tx) == {(PARENT, TASK): (False, is_met)}
    assert tasks.get_task(tx, TASK).state == ("pending" if is_met else "cancelled")


def test_a_child_that_waits_for_any_end_goes_on_after_a_cancelled_parent(tx: DriverTransaction) -> None:
    insert(tx, "blocked", 1)
    insert(tx, "blocked", 2)
    tx.rows(
        "UPDATE task_dependencies SET parent_id = %(task)s, condition = 'ended' WHERE child_id = %(id)s",
        {"task": TASK, "id": task_id(2)},
    )
    first = dependants.cancel_below(tx, [PARENT], "dispatcher")
    assert (first.cancelled, first.waiting) == ([TASK], [])
    second = dependants.settle(tx, first.left, "dispatcher")
    assert [one.id for one in second.waiting] == [task_id(2)]


@pytest.mark.parametrize("state", sorted(WAITING - {TaskState.BLOCKED}))
def test_a_cancelled_task_is_known_as_the_queue_has_it(tx: DriverTransaction, state: str) -> None:
    """With another ready time its member among the due ones would stay there."""
    insert(tx, state)
    [queued] = tasks.waiting(tx, [TASK])
    (was, agent_id, attempt), _ = commands.cancel(tx, TASK, "ann", "")
    assert (was, agent_id, attempt) == (queued, None, ATTEMPT)


@pytest.mark.parametrize("state", sorted(CLAIMED))
def test_cancelling_names_the_agent_that_runs_it(tx: DriverTransaction, state: str) -> None:
    insert(tx, state)
    assert commands.cancel(tx, TASK, "ann", "")[0][1:] == (AGENT, ATTEMPT)


def test_a_changed_priority_is_audited(tx: DriverTransaction) -> None:
    insert(tx, "pending")
    waiting, is_queued, was = commands.reprioritise(tx, TASK, Priority.URGENT, "ann")
    assert (waiting.priority, is_queued, was) == (3, True, Priority.MEDIUM)
    [event] = tasks.history(tx, TASK)
    assert (event.event, event.actor, event.detail) == ("reprioritised", "ann", {"from": 1, "to": 3})


@pytest.mark.parametrize(
    ("state", "operation", "problem"),
    [
        ("completed", "cancel", "is completed; only unfinished tasks can be cancelled"),
        ("cancelled", "cancel", "is cancelled; only unfinished tasks can be cancelled"),
        ("pending", "retry", "is pending; only failed or cancelled tasks can be retried"),
        ("completed", "retry", "is completed; only failed or cancelled tasks can be retried"),
        ("assigned", "reprioritise", "is assigned; only blocked, scheduled or pending tasks can change their priority"),
    ],
)
def test_a_refusal_names_the_state_and_what_is_needed(
    tx: DriverTransaction, state: str, operation: str, problem: str
) -> None:
    insert(tx, state)
    actions: dict[str, Callable[[], object]] = {
        "cancel": lambda: commands.cancel(tx, TASK, "ann", ""),
        "retry": lambda: commands.retry(tx, TASK, "ann", ""),
        "reprioritise": lambda: commands.reprioritise(tx, TASK, Priority.LOW, "ann"),
    }
    with pytest.raises(IllegalTransition, match=f"task {TASK} {problem}"):
        actions[operation]()


def test_a_task_that_does_not_exist(tx: DriverTransaction) -> None:
    for operation in (
        lambda: commands.cancel(tx, TASK, "ann", ""),
        lambda: commands.retry(tx, TASK, "ann", ""),
        lambda: commands.reprioritise(tx, TASK, Priority.LOW, "ann"),
        lambda: tasks.get_task(tx, TASK),
    ):
        with pytest.raises(TaskNotFound, match=TASK):
            operation()
    tick.note_stale(tx, [Stale(TASK, 1, None, "completed")])
    assert tasks.history(tx, TASK) == []


# constraints


@pytest.mark.parametrize(
    ("state", "change", "constraint"),
    [
        ("pending", "state = 'lost'", "tasks_state_known"),
        ("pending", "priority = 4", "tasks_priority_known"),
        ("pending", "priority = -1", "tasks_priority_known"),
        ("completed", "finished_at = NULL", "tasks_finished_has_time"),
        ("pending", "finished_at = now()", "tasks_finished_has_time"),
        ("pending", "state = 'assigned'", "tasks_claimed_has_agent"),
        ("assigned", "assigned_agent_id = NULL", "tasks_claimed_has_agent"),
        ("in_progress", "assigned_at = NULL", "tasks_claimed_has_agent"),
        ("assigned", "state = 'in_progress'", "tasks_running_has_start"),
        ("scheduled", "run_at = NULL", "tasks_scheduled_has_time"),
        ("blocked", "waiting_on = 0", "tasks_blocked_waits"),
        ("suspended", "suspension = NULL", "tasks_suspended_says_why"),
        ("pending", "waiting_on = 1", "tasks_blocked_waits"),
        ("failed", "error = NULL", "tasks_failed_has_error"),
        ("pending", "refunded = attempt + 1", "tasks_refunds_bounded"),
        ("pending", "refunded = -1", "tasks_refunds_bounded"),
        ("pending", "idempotency_key = 'k'", "tasks_key_has_hash"),
        ("pending", "content_hash = 'h'", "tasks_key_has_hash"),
    ],
)
def test_an_illegal_row_is_refused(database: Database, state: str, change: str, constraint: str) -> None:
    with database.transaction() as tx:
        insert(tx, state)
    with pytest.raises(psycopg2.errors.CheckViolation) as caught, database.transaction() as tx:
        tx.rows(f"UPDATE tasks SET {change}", {})
    assert caught.value.diag.constraint_name == constraint


def test_a_key_belongs_to_one_task(database: Database) -> None:
    with database.transaction() as tx:
        insert(tx, "pending", 1, idempotency_key="k", content_hash="h")
    with pytest.raises(psycopg2.errors.UniqueViolation), database.transaction() as tx:
        insert(tx, "pending", 2, idempotency_key="k", content_hash="other")


# taking over


def test_a_new_leader_finds_what_agents_have(tx: DriverTransaction) -> None:
    for number, state in enumerate(TaskState):
        insert(tx, state, number)
    claims = recovery.claimed_tasks(tx)
    states = {tasks.get_task(tx, claim.row.id).state: claim for claim in claims}
    assert set(states) == CLAIMED
    assert states[TaskState.ASSIGNED].started_at is None
    row, ready, started_at, *_ = states[TaskState.IN_PROGRESS]
    assert ready == pytest.approx(PAST.timestamp(), abs=1e-4)
    assert started_at == pytest.approx(PAST.timestamp(), abs=1e-4)
    assert (row.attempt, row.agent_id, row.refunded, row.refunds) == (ATTEMPT, AGENT, 1, 1)


def test_the_sweep_sees_every_waiting_task_once(tx: DriverTransaction) -> None:
    for number in range(40):
        insert(tx, list(TaskState)[number % len(TaskState)], number)
    seen, after, slices = [], recovery.NIL, 0
    while after is not None:
        waiting, after = recovery.open_slice(tx, after, 7)
        seen += waiting
        slices += 1
    expected = [task_id(n) for n in range(40) if list(TaskState)[n % len(TaskState)] in ("pending", "scheduled")]
    assert [task.id for task in seen] == expected
    assert slices == 5  # 28 open rows in slices of 7, and one to see the end
    assert seen == sorted(tasks.waiting(tx, expected))


def test_how_tasks_wait(tx: DriverTransaction) -> None:
    for number, state in enumerate(TaskState):
        insert(tx, state, number)
    ids = [task_id(n) for n in range(len(TaskState))]
    found = recovery.how_they_wait(tx, [*ids, task_id(99)])
    assert set(found) == set(ids)
    assert sorted(task for task in found.values() if task) == sorted(tasks.waiting(tx, ids))


def test_the_pairs_that_are_not_held(tx: DriverTransaction) -> None:
    insert(tx, "assigned", 1)
    insert(tx, "cancelled", 2)
    pairs = [(task_id(1), ATTEMPT), (task_id(1), ATTEMPT - 1), (task_id(2), ATTEMPT), (task_id(3), 1)]
    assert sorted(recovery.not_held(tx, pairs)) == sorted(pairs[1:])


def test_a_term_is_one_more(tx: DriverTransaction) -> None:
    assert tasks.leader(tx)[:2] == (0, "")
    assert [recovery.take_term(tx, "here:1"), recovery.take_term(tx, "there:2")] == [1, 2]
    assert tasks.leader(tx)[:2] == (2, "there:2")


def test_one_session_holds_the_lock(database: Database) -> None:
    with database.transaction() as one, database.transaction() as other:
        assert recovery.try_lead(one)
        assert recovery.try_lead(one)
        assert not recovery.try_lead(other)


def agent_fields(agent_id: str) -> dict[str, Any]:
    agent = info(agent_id, types=["a.*", 'odd "one"'])
    return {name: getattr(agent, name) for name in agent.__struct_fields__} | {"state": "online"}


def test_agents_come_and_go(tx: DriverTransaction) -> None:
    recovery.register_agents(tx, [agent_fields("coder-1:a"), agent_fields("coder-2:b")])
    recovery.register_agents(tx, [agent_fields("coder-1:a")])
    assert sorted(recovery.online_agents(tx)) == ["coder-1:a", "coder-2:b"]
    recovery.end_agents(tx, [("coder-1:a", "lost"), ("nobody:x", "left")])
    assert recovery.online_agents(tx) == ["coder-2:b"]
    recovery.end_agents(tx, [("coder-1:a", "left")])
    lost = {agent.id: agent for agent in tasks.agents(tx)}["coder-1:a"]
    assert (lost.state, lost.types) == ("lost", ("a.*", 'odd "one"'))
    recovery.register_agents(tx, [agent_fields("coder-1:c")])
    recovery.forget_boots(tx, ["coder-1:c"])
    assert {agent.id for agent in tasks.agents(tx)} == {"coder-1:c", "coder-2:b"}


def test_deployed_versions_are_recorded_and_outlive_their_agents(database: Database) -> None:
    before, now = {"name": "demo.a", "version": "1"}, {"name": "demo.a", "version": "2"}
    with database.transaction() as tx:
        recovery.register_agents(tx, [agent_fields("coder-1:a") | {"known_types": [before]}])
        recovery.end_agents(tx, [("coder-1:a", "left")])
        assert recovery.last_versions(tx) == {"demo.a": "1"}
        deployed = {"known_types": [now], "deployed": {"demo.a": ["1", "2"], "demo.b": ["1", "2"]}}
        assert recovery.register_agents(tx, [agent_fields("coder-1:b") | deployed]) == ["coder-1:b"]
    with database.transaction() as tx:
        recovery.register_agents(tx, [agent_fields("coder-2:c") | {"deployed": {"demo.a": ["2", "3"]}}])
        at = tx.rows("SELECT date_part('epoch', at) FROM task_events WHERE event = 'types_deployed'", {})
        (step,) = {at // 60 * 60 for (at,) in at}
        assert audit.deployed_types(tx, step, step + 60, 60) == [(step, ("demo.a", "demo.b"))]
        assert audit.deployed_types(tx, step - 60, step, 60) == []


def test_boots_that_come_and_go_within_one_tick_are_forgotten_but_for_the_last(database_url: str) -> None:
    with contextlib.closing(connect_leader(database_url)) as connection:
        boots = [Arrival(info(f"coder-1:{boot}")) for boot in "abc"]
        commit(connection, Batch(arrivals=boots[:1]))
        commit(connection, Batch(arrivals=boots[1:], endings=[("coder-1:a", "left"), ("coder-1:b", "lost")]))
        with connection.cursor() as cursor:
            assert [(a.id, a.state) for a in tasks.agents(DriverTransaction(cursor))] == [("coder-1:c", "online")]


# arrays


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))),
    st.lists(st.none() | st.floats(allow_nan=False)),
)
def test_arrays_arrive_as_they_were(
    tx: DriverTransaction, texts: list[str | None], numbers: list[float | None]
) -> None:
    parameters = {"texts": quoted(texts), "numbers": plain(numbers)}
    assert tx.rows("SELECT %(texts)s::text[], %(numbers)s::float8[]", parameters) == [(texts, numbers)]


def test_a_task_reads_back_whole(tx: DriverTransaction) -> None:
    insert(tx, "in_progress", title="A title", created_by="ann", workflow_id=PARENT)
    task = tasks.get_task(tx, TASK)
    assert isinstance(task, Task)
    assert (task.id, task.title, task.created_by, task.workflow_id) == (TASK, "A title", "ann", PARENT)
    assert (task.requires, task.priority, task.assigned_at) == (("gpu",), Priority.MEDIUM, PAST)
    assert [listed.id for listed in tasks.list_tasks(tx, state="in_progress", type="demo.work")] == [TASK]
    assert tasks.list_tasks(tx, queue="other") == []
