"""What is older than its retention goes, in small steps; everything else stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from taskyard.core.config import Settings
from taskyard.core.errors import Busy
from taskyard.core.postgres.database import Database, connect_driver
from taskyard.core.postgres.store import dependants, recovery
from taskyard.core.postgres.store import retention as retention_store
from taskyard.core.states import TERMINAL, TaskState
from taskyard.worker.cli import exits
from taskyard.worker.cli.app import app
from taskyard.worker.maintenance import retention
from taskyard.worker.maintenance.retention import Removed, Retention
from tests.unit.leader_state_support import info

OLD_DAYS = 100
NOW = datetime.now(UTC)


@pytest.fixture
def keeper(settings: Settings, database: Database) -> Retention:
    return Retention(settings, database)


def insert(database: Database, state: TaskState, number: int, *, created_days: float, ended_days: float) -> str:
    """A task in a state, that was submitted and (if it ended) ended so many days ago."""
    created, ended = NOW - timedelta(days=created_days), NOW - timedelta(days=ended_days)
    task_id = f"{int(created.timestamp() * 1000):012x}"
    task_id = f"{task_id[:8]}-{task_id[8:]}-7000-8000-{number:012}"
    with database.transaction() as tx:
        tx.cursor.execute(
            """
            INSERT INTO tasks (id, queue, type, state, priority, input, max_attempts, timeout_seconds, ready_at, run_at,
                waiting_on, error, assigned_agent_id, assigned_at, started_at, created_at, finished_at, suspension)
            VALUES (%s, 'default', 'demo.work', %s, 1, '{}', 3, 60, %s, %s, %s, '{}', 'a:1', now(), now(), %s, %s, '{}')
            """,
            (task_id, state, created, created, int(state == "blocked"), created, ended if state in TERMINAL else None),
        )
    return task_id


def ids(database: Database) -> set[str]:
    with database.transaction() as tx:
        return {row[0] for row in tx.rows("SELECT id FROM tasks", {})}


def prune(keeper: Retention, may_go_on: Callable[[], bool] = lambda: True) -> tuple[Removed, list[tuple[str, int]]]:
    steps: list[tuple[str, int]] = []
    removed = keeper.prune("tester", may_go_on=may_go_on, progress=lambda what, count: steps.append((what, count)))
    return removed, steps


def test_only_what_ended_long_ago_goes(database: Database, keeper: Retention) -> None:
    stay, go = set(), set()
    for number, state in enumerate(TaskState):
        (go if state in TERMINAL else stay).add(
            insert(database, state, number, created_days=OLD_DAYS, ended_days=OLD_DAYS)
        )
    stay.add(insert(database, TaskState.COMPLETED, 20, created_days=OLD_DAYS, ended_days=1))
    stay.add(insert(database, TaskState.COMPLETED, 21, created_days=2, ended_days=1))
    assert keeper.due() == Removed(tasks=len(go))
    assert ids(database) == stay | go, "a dry run removes nothing"
    assert prune(keeper)[0] == Removed(tasks=len(go))
    assert ids(database) == stay
    assert prune(keeper)[0] == Removed()


def test_it_works_in_small_batches_and_goes_on_where_it_was_stopped(
    database: Database, keeper: Retention, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 10)
    for number in range(35):
        insert(database, TaskState.COMPLETED, number, created_days=OLD_DAYS, ended_days=OLD_DAYS)
    turns = iter([True, True, False])
    removed, steps = prune(keeper, lambda: next(turns, False))
    assert (removed.tasks, steps) == (20, [("tasks", 10), ("tasks", 20)])
    assert prune(keeper)[0].tasks == 15


def test_a_row_that_somebody_holds_is_left_for_the_next_time(database: Database, keeper: Retention) -> None:
    held, other = (
        insert(database, TaskState.FAILED, number, created_days=OLD_DAYS, ended_days=OLD_DAYS) for number in (1, 2)
    )
    with database.transaction() as tx:
        tx.rows("SELECT FROM tasks WHERE id = %(id)s FOR UPDATE", {"id": held})
        assert prune(keeper)[0].tasks == 1
    assert ids(database) == {held}
    assert other not in ids(database)
    assert prune(keeper)[0].tasks == 1


def make_partition(database: Database, days_ago: int) -> str:
    day = NOW.date() - timedelta(days=days_ago)
    with database.transaction() as tx:
        [name] = recovery.ensure_partitions(tx, day, days_ahead=0)
        tx.cursor.execute("INSERT INTO task_events (at, event, actor) VALUES (%s, 'x', 'y')", (f"{day} 12:00+00",))
    return name


def partitions(database: Database) -> set[str]:
    with database.transaction() as tx:
        return {row[0] for row in tx.rows("SELECT relname FROM pg_class WHERE relname ~ '^task_events_[0-9]+$'", {})}


def test_a_parent_whose_children_were_not_told_is_kept(database: Database, keeper: Retention) -> None:
    parent = insert(database, TaskState.COMPLETED, 1, created_days=OLD_DAYS, ended_days=OLD_DAYS)
    child = insert(database, TaskState.BLOCKED, 2, created_days=OLD_DAYS, ended_days=OLD_DAYS)
    edge = {"parent": parent, "child": child}
    with database.transaction() as tx:
        tx.rows("INSERT INTO task_dependencies (parent_id, child_id) VALUES (%(parent)s, %(child)s)", edge)
    assert prune(keeper)[0] == Removed()
    with database.transaction() as tx:
        assert dependants.check_again(tx, [child])[0].id == child
    assert prune(keeper)[0] == Removed(tasks=1)
    assert ids(database) == {child}


def test_old_days_of_the_audit_log_are_dropped_whole(database: Database, keeper: Retention) -> None:
    ahead = partitions(database)  # of the days to come
    old, kept, edge = (make_partition(database, days) for days in (200, 30, 180))
    with database.transaction() as tx:
        for days in (190, 10):
            tx.cursor.execute("INSERT INTO task_events_default (at, event, actor) VALUES (%s, 'x', 'y')", (ago(days),))
    assert keeper.due() == Removed(event_days=1, default_events=1)
    assert prune(keeper)[0] == Removed(event_days=1, default_events=1)
    assert partitions(database) - ahead == {kept, edge}
    assert old not in partitions(database)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def test_a_busy_audit_log_is_left_alone(
    settings: Settings, database: Database, keeper: Retention, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "LOCK_TIMEOUT_MS", 20)
    ahead = partitions(database)
    name = make_partition(database, 200)
    other = connect_driver(str(settings.database_url))
    with other.cursor() as cursor:
        cursor.execute("INSERT INTO task_events (event, actor) VALUES ('x', 'y')")
        assert prune(keeper)[0] == Removed()
        assert partitions(database) - ahead == {name}
    other.commit()
    other.close()
    assert prune(keeper)[0] == Removed(event_days=1)


def test_agents_that_left_are_forgotten(database: Database, keeper: Retention) -> None:
    with database.transaction() as tx:
        for name in ("here-1:a", "gone-1:a", "late-1:a"):
            agent = info(name)
            fields = {f: getattr(agent, f) for f in agent.__struct_fields__} | {"state": "online"}
            recovery.register_agents(tx, [fields])
        tx.cursor.execute("UPDATE agents SET state = 'left', left_at = %s WHERE id = 'gone-1:a'", (ago(8),))
        tx.cursor.execute("UPDATE agents SET state = 'left', left_at = %s WHERE id = 'late-1:a'", (ago(1),))
    assert prune(keeper)[0] == Removed(agents=1)
    with database.transaction() as tx:
        assert {row[0] for row in tx.rows("SELECT id FROM agents", {})} == {"here-1:a", "late-1:a"}


def test_zero_days_keep_for_ever_and_a_pruning_is_audited(settings: Settings, database: Database) -> None:
    insert(database, TaskState.COMPLETED, 1, created_days=OLD_DAYS, ended_days=OLD_DAYS)
    for_ever = settings.model_copy(
        update={"retention_tasks_days": 0, "retention_events_days": 0, "retention_agents_days": 0}
    )
    assert prune(Retention(for_ever, database))[0] == Removed()
    assert audited(database) == []
    prune(Retention(settings, database))
    assert audited(database) == [
        ("tester", {"tasks": 1, "event_days": 0, "default_events": 0, "agents": 0, "workflows": 0, "fire_times": 0})
    ]


def audited(database: Database) -> list[tuple[Any, ...]]:
    with database.transaction() as tx:
        return list(tx.rows("SELECT actor, detail FROM task_events WHERE event = 'pruned'", {}))


def test_a_pruned_task_takes_its_idempotency_key_along(database: Database, keeper: Retention) -> None:
    task_id = insert(database, TaskState.COMPLETED, 1, created_days=OLD_DAYS, ended_days=OLD_DAYS)
    with database.transaction() as tx:
        tx.cursor.execute("UPDATE tasks SET idempotency_key = 'k', content_hash = 'h' WHERE id = %s", (task_id,))
    prune(keeper)
    insert(database, TaskState.PENDING, 2, created_days=0, ended_days=0)
    with database.transaction() as tx:
        tx.cursor.execute("UPDATE tasks SET idempotency_key = 'k', content_hash = 'h'")


def test_the_command_says_what_it_would_do_and_does_it(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
    insert(database, TaskState.COMPLETED, 1, created_days=OLD_DAYS, ended_days=OLD_DAYS)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["prune", *arguments], prog_name="taskyard")
        assert result.exit_code == exits.OK, result.output
        return result.stdout

    assert json.loads(run("--dry-run", "--json")) == {"dry_run": True, "tasks": 1, **dict.fromkeys(REST, 0)}
    assert "finished tasks" in run()
    assert run() == "nothing is older than its retention\n"


REST = ("event_days", "default_events", "agents", "workflows", "fire_times")


def test_dropping_waits_no_longer_than_it_may(settings: Settings, database: Database) -> None:
    name = make_partition(database, 200)
    other = connect_driver(str(settings.database_url))
    with other.cursor() as cursor:
        cursor.execute("INSERT INTO task_events (event, actor) VALUES ('x', 'y')")
        with pytest.raises(Busy), database.transaction() as tx:
            retention_store.drop_partition(tx, name, 10)
    other.close()


def test_workflows_go_with_their_last_task(keeper: Retention, database: Database) -> None:
    old = insert(database, TaskState.COMPLETED, 1, created_days=OLD_DAYS, ended_days=OLD_DAYS)
    kept = insert(database, TaskState.COMPLETED, 2, created_days=OLD_DAYS, ended_days=1)
    with database.transaction() as tx:
        for task_id in (old, kept):
            tx.rows(
                "INSERT INTO workflows (id, kind, name, tasks, ended_at, state) "
                "VALUES (%(id)s, 'workflow', 'w', 1, now() - interval '100 days', 'completed')",
                {"id": task_id},
            )
            tx.rows("UPDATE tasks SET workflow_id = id WHERE id = %(id)s", {"id": task_id})
    removed = prune(keeper)[0]
    assert (removed.tasks, removed.workflows) == (1, 1)
    with database.transaction() as tx:
        assert tx.rows("SELECT id FROM workflows", {}) == [(kept,)]
