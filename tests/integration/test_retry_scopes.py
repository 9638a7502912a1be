"""Retries of tasks that belong to others: what runs again, in what order, and what others do at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskyard.core.access.identity import LINK, Actor
from taskyard.core.access.permissions import ROLES, Role
from taskyard.core.edges import RetryScope
from taskyard.core.errors import IllegalTransition, PermanentError, SubmissionError, TaskNotFound
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import dependants
from taskyard.core.postgres.store.dependants import Ended
from taskyard.core.scheduling import retry_scope
from taskyard.core.states import TERMINAL
from taskyard.core.submission import retries
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.bulk import Bulk
from taskyard.core.submission.bulk_operation import Action, Operation
from taskyard.core.submission.bulk_preview import Target, load_preview
from taskyard.worker.attempts.context import TaskContext
from tests.engine import Engine, Payload
from tests.servers import wait_until

TOMORROW = datetime.now(UTC) + timedelta(days=1)
ME = {"actor": "me", "reason": "again"}
State = dict[str, bool]


@pytest.fixture
def is_broken(engine: Engine) -> State:
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


@pytest.fixture
def acting(engine: Engine) -> Authorized:
    return Authorized(engine.submitter, engine.registry, engine.database, Actor("me", LINK, ROLES[Role.ADMIN]))


def family(engine: Engine) -> tuple[str, str, str]:
    """A parent that has failed, its child, and a child of that: both cancelled."""
    parent = engine.submit("demo.flaky", delay_seconds=0.5)  # until the others are there
    child = engine.submit("demo.echo", after=[parent], priority="urgent", title="the child")
    grandchild = engine.submit("demo.echo", after=[child])
    engine.wait_for(parent, "failed")
    engine.wait_for_all([child, grandchild], "cancelled")
    return parent, child, grandchild


def states(engine: Engine, *ids: str) -> list[str]:
    return [engine.task(id_).state.value for id_ in ids]


def started(engine: Engine, *ids: str) -> list[datetime]:
    times = [engine.task(id_).started_at for id_ in ids]
    return [time for time in times if time is not None]


@pytest.mark.parametrize(("scope", "which"), [(RetryScope.DOWNSTREAM, 0), (RetryScope.CHAIN, 0), (RetryScope.CHAIN, 2)])
def test_all_run_again_in_their_order(engine: Engine, is_broken: State, scope: RetryScope, which: int) -> None:
    ids = family(engine)
    is_broken["now"] = False
    assert engine.submitter.retry(ids[which], scope=scope, **ME) == (3, 0)
    engine.wait_for_all(list(ids), "completed")
    assert started(engine, *ids) == sorted(started(engine, *ids))
    task = engine.task(ids[1])
    assert (task.title, task.priority.label, task.attempt) == ("the child", "urgent", 1)
    details = [e.detail for id_ in ids for e in engine.history(id_) if e.event == "retried"]
    assert details == [{"reason": "again", "scope": scope.value, "start": ids[which]}] * 3


def test_the_same_tasks_run_again_as_the_preview_lists(engine: Engine, is_broken: State) -> None:
    parent, child, grandchild = family(engine)
    seen = engine.submitter.preview_retry(parent, "downstream")
    listed = [(task.id, task.type, task.title, task.state, task.then) for task in seen.tasks]
    assert listed == [
        (parent, "demo.flaky", None, "failed", "pending"),
        (child, "demo.echo", "the child", "cancelled", "blocked"),
        (grandchild, "demo.echo", None, "cancelled", "blocked"),
    ]
    assert states(engine, parent, child, grandchild) == ["failed", "cancelled", "cancelled"]
    assert [task.id for task in engine.submitter.preview_retry(grandchild, "chain").tasks] == [
        parent,
        child,
        grandchild,
    ]


def test_this_alone_says_what_stays_cancelled(engine: Engine, is_broken: State) -> None:
    parent, child, grandchild = family(engine)
    seen = engine.submitter.preview_retry(parent)
    assert ([task.id for task in seen.tasks], seen.cancelled_below) == ([parent], 2)
    is_broken["now"] = False
    assert engine.submitter.retry(parent, **ME) == (1, 2)
    engine.wait_for(parent, "completed")
    assert states(engine, child, grandchild) == ["cancelled"] * 2


def test_what_fails_again_cancels_again(engine: Engine, is_broken: State) -> None:
    ids = family(engine)
    engine.submitter.retry(ids[0], scope="downstream", **ME)
    wait_until(lambda: engine.events(ids[0]).count("failed") == 2)
    engine.wait_for_all(list(ids[1:]), "cancelled")
    is_broken["now"] = False
    engine.submitter.retry(ids[2], scope="chain", **ME)
    engine.wait_for_all(list(ids), "completed")


def with_alarm(engine: Engine) -> tuple[str, str, str, str]:
    """A task, one after it, one after that, and one for when the last of them has failed."""
    parent = engine.submit("demo.flaky", delay_seconds=0.5)  # until the others are there
    child = engine.submit("demo.echo", after=[parent])
    grandchild = engine.submit("demo.echo", after=[child])
    return parent, child, grandchild, engine.submit("demo.echo", after=[grandchild], when="failed")


def test_what_could_not_run_for_a_failure_has_failed_to_its_alarm(engine: Engine, is_broken: State) -> None:
    *ids, alarm = with_alarm(engine)
    engine.wait_for(alarm, "completed")
    assert states(engine, *ids) == ["failed", "cancelled", "cancelled"]
    late = engine.submit("demo.echo", after=[ids[-1]], when="failed")
    engine.wait_for(late, "completed")
    with pytest.raises(SubmissionError):
        engine.submit("demo.echo", after=[ids[-1]])

    is_broken["now"] = False
    assert {task.id for task in engine.submitter.preview_retry(ids[0], "downstream").tasks} == {*ids, alarm, late}
    engine.submitter.retry(ids[0], scope="downstream", **ME)
    engine.wait_for_all(ids, "completed")
    engine.wait_for_all([alarm, late], "cancelled")


def test_an_alarm_alone_runs_again_without_what_it_waited_for(engine: Engine, is_broken: State) -> None:
    *ids, alarm = with_alarm(engine)
    engine.wait_for(alarm, "completed")
    assert states(engine, *ids) == ["failed", "cancelled", "cancelled"]
    other = engine.submit("demo.flaky", after=[ids[-1]], when="failed")
    engine.wait_for(other, "failed")
    is_broken["now"] = False
    for scope in ("this", "chain"):
        assert [task.id for task in engine.submitter.preview_retry(other, scope).tasks] == [other]
    engine.submitter.retry(other, **ME)
    engine.wait_for(other, "completed")


def test_a_cancelled_task_is_no_failure(engine: Engine, is_broken: State) -> None:
    *ids, alarm = with_alarm(engine)
    engine.submitter.cancel(ids[0], **ME)
    engine.wait_for_all([*ids, alarm], "cancelled")


def test_what_ran_after_a_failure_runs_again_from_its_beginning(engine: Engine, is_broken: State) -> None:
    seen: list[object] = []

    def cleanup(given: Payload, context: TaskContext) -> Payload:
        seen.append(context.last_checkpoint)
        context.checkpoint({"done": 1})
        return given

    engine.define("demo.cleanup", cleanup)
    parent = engine.submit("demo.flaky", delay_seconds=0.5)
    child = engine.submit("demo.cleanup", after=[parent], when="ended")
    last = engine.submit("demo.echo", after=[child])
    engine.wait_for_all([child, last], "completed")
    is_broken["now"] = False
    assert engine.submitter.retry(parent, scope="downstream", **ME).tasks == 3
    wait_until(lambda: engine.events(last).count("completed") == 2)
    assert seen == [None, None]
    assert [engine.task(id_).attempt for id_ in (parent, child, last)] == [2, 2, 2]


def test_another_failed_parent_keeps_what_waits_for_both(engine: Engine, is_broken: State) -> None:
    one, two = (engine.submit("demo.flaky", delay_seconds=0.5) for _ in range(2))
    both = engine.submit("demo.echo", after=[one, two], title="both")
    engine.wait_for_all([one, two], "failed")
    engine.wait_for(both, "cancelled")
    seen = engine.submitter.preview_retry(one, "downstream")
    assert [task.id for task in seen.tasks] == [one]
    [left] = seen.left_out
    assert (left.id, left.title, left.state, left.parent_id, left.parent_state) == (
        both,
        "both",
        "cancelled",
        two,
        "failed",
    )
    is_broken["now"] = False
    engine.submitter.retry(both, scope="chain", **ME)
    engine.wait_for_all([one, two, both], "completed")


def test_a_child_of_a_running_parent_waits_for_it(engine: Engine) -> None:
    parent = engine.submit("demo.echo", delay_seconds=0.5)
    child = engine.submit("demo.echo", after=[parent])
    engine.submitter.cancel(child, actor="me")
    with pytest.raises(IllegalTransition, match="with the scope downstream it waits for that"):
        engine.submitter.retry(child, **ME)
    assert engine.submitter.retry(child, scope="downstream", **ME).tasks == 1
    assert engine.task(child).state == "blocked"
    engine.worker()
    engine.agent()
    engine.wait_for_all([parent, child], "completed")


def test_a_queued_task_below_waits_again_and_is_not_claimed(engine: Engine, is_broken: State) -> None:
    parent = engine.submit("demo.flaky", delay_seconds=0.5)
    child = engine.submit("demo.echo", after=[parent], when="ended", requires=["nobody-has-this"])
    engine.wait_for(child, "pending")
    is_broken["now"] = False
    engine.submitter.retry(parent, scope="downstream", **ME)
    assert engine.task(child).state == "blocked"
    engine.wait_for(parent, "completed")
    wait_until(lambda: engine.task(child).state == "pending")


def test_a_running_task_below_is_named(engine: Engine, is_broken: State) -> None:
    free = threading.Event()

    def hold(given: Payload, context: TaskContext) -> Payload:
        free.wait(20)
        return given

    engine.define("demo.hold", hold)
    parent = engine.submit("demo.flaky", delay_seconds=0.5)
    child = engine.submit("demo.hold", after=[parent], when="failed")
    try:
        engine.wait_for(child, "in_progress")
        for act in (engine.submitter.retry, lambda *a, **k: engine.submitter.preview_retry(*a, k["scope"])):
            with pytest.raises(IllegalTransition, match=f"task {child} is in_progress; it comes after task {parent}"):
                act(parent, scope="downstream", **ME)
    finally:
        free.set()
    assert states(engine, parent) == ["failed"]


def test_what_can_not_be_retried_is_refused_in_one_line(engine: Engine, is_broken: State) -> None:
    parent, child, _ = family(engine)
    done = engine.submit("demo.echo")
    engine.wait_for(done, "completed")
    gone = "0199c0de-0000-7000-8000-000000000001"
    cases: list[tuple[Callable[[], object], type[Exception], str]] = [
        (
            lambda: engine.submitter.retry(child, scope="downstream", **ME),
            IllegalTransition,
            f"{parent}, which is failed",
        ),
        (lambda: engine.submitter.retry(done, scope="chain", **ME), IllegalTransition, "only failed or cancelled"),
        (lambda: engine.submitter.retry(gone, scope="chain", **ME), TaskNotFound, gone),
        (lambda: engine.submitter.retry(parent, scope="all", **ME), SubmissionError, "one of this, downstream, chain"),
        (lambda: engine.submitter.retry(parent, scope=None, **ME), SubmissionError, "scope"),  # type: ignore[arg-type]
    ]
    for act, kind, text in cases:
        with pytest.raises(kind, match=text) as caught:
            act()
        assert "\n" not in str(caught.value)


def test_more_tasks_than_fit_in_a_transaction_are_refused(
    engine: Engine, is_broken: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = family(engine)
    for module in (retry_scope, retries, __import__("taskyard.core.postgres.store.retries", fromlist=["x"])):
        monkeypatch.setattr(module, "MAX_TASKS", 2)
    with pytest.raises(IllegalTransition, match="more than 2 tasks"):
        engine.submitter.retry(ids[0], scope="downstream", **ME)
    assert engine.submitter.commands.retry_many([ids[0]], scope="downstream", **ME) == (0, [])
    assert states(engine, *ids) == ["failed", "cancelled", "cancelled"]


def test_bulk_counts_starts_and_others(engine: Engine, is_broken: State) -> None:
    families = [family(engine) for _ in range(3)]
    bulk = Bulk(engine.database, engine.submitter.commands)
    is_broken["now"] = False
    failed = TaskFilter(states=("failed",))
    result = bulk.run_matching(Operation(Action.RETRY, "me", "again", scope="downstream"), failed)
    assert (result.done, result.skipped, result.dependants) == (3, 0, 6)
    engine.wait_for_all([id_ for ids in families for id_ in ids], "completed")


@pytest.mark.parametrize("size", [1, 2, 500])
def test_bulk_takes_parents_and_children_together(
    engine: Engine, is_broken: State, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr("taskyard.core.submission.bulk.BATCH_SIZE", size)
    families = [family(engine) for _ in range(2)]
    bulk = Bulk(engine.database, engine.submitter.commands)
    is_broken["now"] = False
    ids = [id_ for ids in families for id_ in ids[:2]]
    result = bulk.run_listed(Operation(Action.RETRY, "me", "again", scope="downstream"), ids)
    assert (result.done, result.skipped, result.dependants) == (4, 0, 2)
    engine.wait_for_all([id_ for ids in families for id_ in ids], "completed")


@pytest.mark.parametrize("scope", RetryScope)
def test_a_task_for_tomorrow_keeps_tomorrow(engine: Engine, scope: RetryScope) -> None:
    for options in ({"run_at": TOMORROW}, {"delay_seconds": 86_400}):
        parent = engine.submit("demo.echo", **options)
        child = engine.submit("demo.echo", after=[parent], **options)
        due = [engine.task(id_).run_at for id_ in (parent, child)]
        engine.submitter.cancel(parent, actor="me")
        assert states(engine, parent, child) == ["cancelled"] * 2
        engine.submitter.retry(child if scope is RetryScope.CHAIN else parent, scope=scope, **ME)
        again = [engine.task(id_) for id_ in (parent, child)]
        assert [task.run_at for task in again] == due
        assert [task.state for task in again] == ["scheduled", "cancelled" if scope is RetryScope.THIS else "blocked"]


# what others do at the same time


def test_two_operators_at_once_are_one(engine: Engine, is_broken: State) -> None:
    ids = family(engine)
    is_broken["now"] = False

    def retried(which: int) -> bool:
        try:
            engine.submitter.retry(ids[which], scope="chain", **ME)
        except IllegalTransition:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(retried, [0, 1, 2] * 2)) == 1
    engine.wait_for_all(list(ids), "completed")
    assert [engine.events(id_).count("retried") for id_ in ids] == [1, 1, 1]


def test_a_child_that_is_added_meanwhile_runs_again_too(engine: Engine, is_broken: State, monkeypatch: Any) -> None:
    """It was submitted after the plan was made, and before its tasks were locked."""
    ids = family(engine)
    is_broken["now"] = False
    added: list[str] = []
    real = retries.retries.lock

    def lock(tx: Any, plan: Any) -> None:
        if not added:
            added.append(engine.submit("demo.echo", after=[ids[2]], when="ended"))
            engine.wait_for(added[0], "completed")
        real(tx, plan)

    monkeypatch.setattr(retries.retries, "lock", lock)
    assert engine.submitter.retry(ids[0], scope="downstream", **ME).tasks == 4
    engine.wait_for_all([*ids, added[0]], "completed")
    wait_until(lambda: engine.events(added[0]).count("completed") == 2)


def test_whoever_cancels_at_the_same_time_is_first_or_second(engine: Engine, is_broken: State) -> None:
    """Nothing hangs, and nothing has run without what it waits for, whoever of them was first."""
    ids = family(engine)
    is_broken["now"] = False

    def attempt(act: Callable[[], object]) -> bool:
        try:
            act()
        except IllegalTransition:
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        for _ in range(15):
            acts = [
                lambda: engine.submitter.retry(ids[2], scope="chain", **ME),
                lambda: engine.submitter.cancel(ids[1], actor="you"),
            ]
            list(threads.map(attempt, acts))
            wait_until(lambda: all(engine.task(id_).state in TERMINAL for id_ in ids))
            found = states(engine, *ids)
            assert found in (["completed"] * 3, ["completed", "cancelled", "cancelled"])
            if found[2] == "completed":
                break
    engine.submitter.commands.retry_many(list(ids), scope="chain", **ME)
    engine.wait_for_all(list(ids), "completed")


def test_nobody_settles_the_children_of_a_task_that_is_being_retried(engine: Engine, is_broken: State) -> None:
    """The leader leaves them while the parent's row is held, and does not go by an end that is no more."""
    parent = engine.submit("demo.flaky")
    engine.wait_for(parent, "failed")
    engine.stop()
    child = engine.submit("demo.echo", delay_seconds=3600)
    with engine.database.transaction() as tx:  # as between the end of a parent and the look at its children
        tx.rows("UPDATE tasks SET state = 'blocked', waiting_on = 1, run_at = NULL WHERE id = %(id)s", {"id": child})
        values = {"parent": parent, "child": child}
        tx.rows("INSERT INTO task_dependencies (parent_id, child_id) VALUES (%(parent)s, %(child)s)", values)
    database = Database(engine.settings.database_url)
    try:
        with engine.database.transaction() as ours, database.transaction() as others:
            found = retries.planned(ours, [parent], RetryScope.DOWNSTREAM)
            assert found is not None
            retries.retries.lock(ours, found.plan)
            retries.retries.apply(ours, found.graph, found.plan, RetryScope.DOWNSTREAM, "me", "")
            slice_ = dependants.settle(others, Ended([], [parent]), "test")
            assert (slice_.waiting, slice_.cancelled, slice_.left.failed) == ([], [], [parent])
        with database.transaction() as tx:
            assert dependants.settle(tx, Ended([], [parent]), "test").cancelled == []
    finally:
        database.close()
    assert states(engine, parent, child) == ["pending", "blocked"]


# what belongs to a task besides its row


def rows(engine: Engine, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with engine.database.transaction() as tx:
        return list(tx.rows(statement, values))


def test_an_input_made_of_outputs_is_to_be_made_again(engine: Engine, is_broken: State) -> None:
    parent, child, _ = family(engine)
    template = '{"value": {"$ref": "parent"}}'
    rows(
        engine,
        "INSERT INTO task_inputs (task_id, template, resolved_at) VALUES (%(id)s, %(template)s, now())",
        id=child,
        template=template,
    )
    rows(engine, "UPDATE tasks SET input = '{\"value\": 7}' WHERE id = %(id)s", id=child)
    engine.submitter.retry(parent, scope="downstream", **ME)
    [found] = rows(
        engine,
        "SELECT t.waiting_on, t.input, i.is_due, i.resolved_at FROM tasks t JOIN task_inputs i ON i.task_id = t.id"
        " WHERE t.id = %(id)s",
        id=child,
    )
    assert found == (2, {"value": {"$ref": "parent"}}, False, None)


def test_signals_of_an_earlier_run_are_forgotten_and_early_ones_kept(engine: Engine, is_broken: State) -> None:
    parent = engine.submit("demo.flaky", delay_seconds=0.5)
    ran = engine.submit("demo.echo", after=[parent], when="ended")
    waits = engine.submit("demo.echo", after=[parent])
    engine.wait_for(ran, "completed")
    engine.wait_for(waits, "cancelled")
    for id_ in (ran, waits):
        rows(
            engine,
            "INSERT INTO task_signals (task_id, name, signal_id, number, kind)"
            " VALUES (%(id)s, 'approved', '1', 1, 'signal')",
            id=id_,
        )
        rows(engine, "UPDATE tasks SET has_signals = true WHERE id = %(id)s", id=id_)
    engine.submitter.retry(parent, scope="downstream", **ME)
    assert rows(engine, "SELECT task_id FROM task_signals") == [(waits,)]
    assert rows(engine, "SELECT has_signals FROM tasks WHERE id = %(id)s", id=ran) == [(None,)]


@pytest.mark.parametrize("scope", RetryScope)
def test_a_workflow_that_had_ended_has_not(engine: Engine, is_broken: State, scope: RetryScope) -> None:
    ids = family(engine)
    workflow = "0199c0de-0000-7000-8000-00000000000a"
    rows(
        engine,
        "INSERT INTO workflows (id, kind, name, tasks, ended_at, state, counts, cancelled_at)"
        " VALUES (%(id)s, 'workflow', 'nightly', 3, now(), 'failed', '{}', now())",
        id=workflow,
    )
    rows(engine, "UPDATE tasks SET workflow_id = %(workflow)s", workflow=workflow)
    engine.submitter.retry(ids[0], scope=scope, **ME)
    assert rows(engine, "SELECT ended_at, state, counts, cancelled_at FROM workflows") == [(None,) * 4]


@pytest.mark.parametrize("scope", [RetryScope.THIS, RetryScope.DOWNSTREAM])
def test_the_time_of_a_suspended_task_is_none_that_its_submitter_gave(engine: Engine, scope: RetryScope) -> None:
    task_id = engine.submit("demo.echo")
    rows(
        engine,
        "UPDATE tasks SET state = 'suspended', attempt = 1, refunded = 1, run_at = now() + interval '1 day',"
        ' suspension = \'{"kind": "time"}\' WHERE id = %(id)s',
        id=task_id,
    )
    engine.submitter.cancel(task_id, actor="me")
    engine.submitter.retry(task_id, scope=scope, **ME)
    task = engine.task(task_id)
    assert (task.state, task.run_at) == ("pending", None)


def test_what_bulk_would_do_is_what_it_does(
    engine: Engine, is_broken: State, monkeypatch: pytest.MonkeyPatch, acting: Authorized
) -> None:
    """Two failed parents in two batches, each with a child of its own, and one that waits for both."""
    for module in ("bulk", "retry_simulation"):
        monkeypatch.setattr(f"taskyard.core.submission.{module}.BATCH_SIZE", 1)
    one, two = (engine.submit("demo.flaky", delay_seconds=0.7) for _ in range(2))
    children = [engine.submit("demo.echo", after=after) for after in ([one], [two], [one, two])]
    engine.wait_for_all([one, two], "failed")
    engine.wait_for_all(children, "cancelled")
    target = Target(TaskFilter(states=("failed",)))
    seen = load_preview(engine.database, acting, Action.RETRY, target, scope="downstream", lists=True)
    assert (seen.meant, seen.changed, seen.besides, seen.is_exact, seen.ids) == (2, 2, 3, True, (one, two))
    assert sorted((task.id, task.then) for task in seen.again) == sorted(
        [(one, "pending"), (two, "pending"), *((child, "blocked") for child in children)]
    )
    is_broken["now"] = False
    result = acting.bulk().run_listed(Operation(Action.RETRY, "me", "again", scope="downstream"), seen.ids or ())
    assert (result.done, result.skipped, result.dependants) == (seen.changed, 0, seen.besides)
    engine.wait_for_all([one, two, *children], "completed")


def test_a_preview_of_all_counts_each_task_once(engine: Engine, is_broken: State, acting: Authorized) -> None:
    families = [family(engine) for _ in range(2)]
    preview = load_preview(engine.database, acting, Action.RETRY, Target(TaskFilter()), scope="chain", lists=True)
    assert (preview.changed, preview.besides, len(preview.again)) == (6, 0, 6)
    assert preview.ids is not None
    assert set(preview.ids) == {id_ for ids in families for id_ in ids}


def test_a_parent_that_is_left_from_before_its_retry_is_met_once(engine: Engine) -> None:
    """It was left as cancelled, ran again and completed: its child waits for its other parents all the same."""
    one, other = engine.submit("demo.echo"), engine.submit("demo.echo")
    child = engine.submit("demo.echo", after=[one, other])
    for parent, state in ((one, "blocked"), (other, "pending")):
        with engine.database.transaction() as tx:
            sql = "UPDATE tasks SET state = 'completed', finished_at = now() WHERE id = %(id)s"
            tx.rows(f"WITH changed AS ({sql} RETURNING 1) SELECT FROM changed", {"id": parent})
            dependants.settle(tx, Ended([parent], [parent]), "test")
        assert states(engine, child) == [state]
