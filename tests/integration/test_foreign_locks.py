"""Somebody else's lock keeps back what it locks, and nothing else: for every table and mode, row by row, key by key.

TASKYARD_TEST_LOCK_SECONDS says how long each table stays locked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2.extensions
import pytest

from taskyard.core.errors import Busy
from taskyard.core.explain import why
from taskyard.core.postgres.database import connect_driver
from taskyard.core.postgres.migrations import migrate
from taskyard.core.postgres.pools import connect_engine
from taskyard.core.redis.cache import RedisCache
from taskyard.worker.attempts.context import TaskContext
from tests.effort import LOCK_SECONDS
from tests.engine import Engine, Payload, RunningWorker
from tests.gates import Gate
from tests.servers import wait_until

MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
# What no transition of a task needs. The other tables are needed by all of them: see the tests of whole standstills.
SPARABLE = (
    "agents",
    "holds",
    "leadership",
    "task_dependencies",
    "alerts",
    "metric_counts",
    "metric_samples",
)
PROMPT_SECONDS = 3.0


@contextmanager
def holding(engine: Engine, *statements: str, **values: object) -> Iterator[psycopg2.extensions.connection]:
    """A session of somebody with an open transaction in which these statements were run."""
    session = connect_driver(engine.settings.database_url, application_name="somebody")
    try:
        with session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement, values)
        yield session
    finally:
        session.close()


def run_some(engine: Engine, count: int = 3) -> None:
    """Tasks go through, promptly and once."""
    began = time.monotonic()
    ids = [engine.submit("demo.echo", {"n": number}) for number in range(count)]
    engine.wait_for_all(ids, timeout_seconds=PROMPT_SECONDS)
    assert time.monotonic() - began < 2 * PROMPT_SECONDS
    assert {engine.task(task_id).attempt for task_id in ids} == {1}


def blocked_lines(engine: Engine) -> list[str]:
    return [str(entry["reason"]) for entry in engine.logs if entry["event"] == "tick.blocked"]


@pytest.fixture
def running(engine: Engine) -> Engine:
    engine.worker()
    engine.agent(max_concurrency=8)
    run_some(engine)
    return engine


@pytest.mark.parametrize("mode", ["FOR KEY SHARE", "FOR SHARE", "FOR NO KEY UPDATE", "FOR UPDATE"])
def test_a_locked_row_keeps_back_its_own_task_only(running: Engine, gate: Gate, mode: str) -> None:
    task_id = running.submit("demo.gate")
    running.wait_for(task_id, "in_progress")
    with holding(running, f"SELECT 1 FROM tasks WHERE id = %(id)s {mode}", id=task_id):
        gate.open.set()
        if mode == "FOR KEY SHARE":  # as foreign keys take it: it is in nobody's way
            running.wait_for(task_id, "completed")
            return
        run_some(running)
        assert running.task(task_id).state == "in_progress"
        [line] = wait_until(lambda: blocked_lines(running))
        assert all(part in line for part in (f"row of task {task_id}", "somebody", "SELECT"))
        assert running.broker.results_length() >= 1, "its report is kept where the next leader would find it"
        run_some(running)
    running.wait_for(task_id, "completed", timeout_seconds=PROMPT_SECONDS)
    wait_until(lambda: running.broker.results_length() == 0)
    assert running.events(task_id) == ["submitted", "assigned", "started", "completed"]
    assert len(blocked_lines(running)) == 1, "said once"
    wait_until(lambda: [entry for entry in running.logs if entry["event"] == "tick.unblocked"])
    assert running.leader() == 1


def test_a_row_that_two_sessions_share_names_one_of_them(running: Engine, gate: Gate) -> None:
    task_id = running.submit("demo.gate")
    running.wait_for(task_id, "in_progress")
    statement = "SELECT 1 FROM tasks WHERE id = %(id)s FOR SHARE"
    with holding(running, statement, id=task_id), holding(running, statement, id=task_id):
        gate.open.set()
        [line] = wait_until(lambda: blocked_lines(running))
        assert "somebody" in line
    running.wait_for(task_id, "completed", timeout_seconds=PROMPT_SECONDS)


def test_a_failure_and_a_start_wait_for_their_row_alone(running: Engine, gate: Gate) -> None:
    def failing(given: Payload, context: TaskContext) -> Payload:
        gate.open.wait(10)
        raise ValueError("no use")

    running.define("demo.failing", failing)
    task_id = running.submit("demo.failing", max_attempts=1)
    running.wait_for(task_id, "assigned", "in_progress")
    with holding(running, "SELECT 1 FROM tasks WHERE id = %(id)s FOR UPDATE", id=task_id):
        run_some(running)
        gate.open.set()
        run_some(running)
    running.wait_for(task_id, "failed", timeout_seconds=PROMPT_SECONDS)
    assert "stale_result" not in running.events(task_id)


def test_a_locked_pending_row_is_claimed_once_it_is_free(engine: Engine) -> None:
    task_id = engine.submit("demo.echo")
    engine.worker()
    with holding(engine, "SELECT 1 FROM tasks WHERE id = %(id)s FOR UPDATE", id=task_id):
        engine.agent()
        run_some(engine)
        assert engine.task(task_id).state == "pending"
    engine.wait_for(task_id, "completed")


def test_a_checkpoint_waits_for_its_row_and_is_saved(running: Engine) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def saving(given: Payload, context: TaskContext) -> Payload:
        reached.set()
        go_on.wait(10)
        context.checkpoint({"step": 1})
        return given

    running.define("demo.saving", saving)
    task_id = running.submit("demo.saving")
    running.wait_for(task_id, "in_progress")
    with holding(running, "SELECT 1 FROM tasks WHERE id = %(id)s FOR UPDATE", id=task_id):
        go_on.set()
        run_some(running)
    running.wait_for(task_id, "completed", timeout_seconds=PROMPT_SECONDS)
    assert running.task(task_id).checkpoint == {"step": 1}


def test_a_report_whose_row_is_locked_outlives_its_leader(engine: Engine, gate: Gate) -> None:
    first = engine.worker("first")
    agent = engine.agent()
    task_id = engine.submit("demo.gate")
    engine.wait_for(task_id, "in_progress")
    with holding(engine, "SELECT 1 FROM tasks WHERE id = %(id)s FOR UPDATE", id=task_id):
        gate.open.set()
        run_some(engine)
        first.stop()
        engine.worker("second")
        wait_until(lambda: engine.leader() == 2)
        run_some(engine)
    assert engine.wait_for(task_id, timeout_seconds=PROMPT_SECONDS).state == "completed"
    assert (agent.ran.count((task_id, 1)), engine.task(task_id).attempt) == (1, 1)


def test_an_open_submission_holds_nobody_up(running: Engine, gate: Gate) -> None:
    parent = running.submit("demo.gate")
    with connect_engine(running.database.url, pool_size=1).begin() as connection:
        child = running.submit("demo.echo", after=[parent], connection=connection)
        gate.open.set()
        running.wait_for(parent, "completed", timeout_seconds=PROMPT_SECONDS)
        run_some(running)
    running.wait_for(child, "completed", timeout_seconds=PROMPT_SECONDS)


@pytest.mark.parametrize("table", SPARABLE)
def test_a_locked_table_that_no_task_needs_stops_nothing(running: Engine, table: str) -> None:
    for mode in MODES:
        ids = [running.submit("demo.echo") for _ in range(3)]
        with holding(running, f"LOCK TABLE {table} IN {mode} MODE"):
            end = time.monotonic() + LOCK_SECONDS / (1 if mode == "ACCESS EXCLUSIVE" else 10)
            running.wait_for_all(ids, timeout_seconds=PROMPT_SECONDS)
            while time.monotonic() < end:
                if table == "holds" and mode == "ACCESS EXCLUSIVE":
                    break  # a submission has to know what drains
                run_some(running)
        if table == "task_dependencies":
            run_family(running)
    assert running.leader() == 1


def run_family(engine: Engine) -> None:
    parent = engine.submit("demo.echo")
    engine.wait_for(engine.submit("demo.echo", after=[parent]), "completed", timeout_seconds=PROMPT_SECONDS)


def test_children_are_released_once_their_table_is_free(running: Engine, gate: Gate) -> None:
    parent = running.submit("demo.gate")
    child = running.submit("demo.echo", after=[parent])
    running.wait_for(parent, "in_progress")
    with holding(running, "LOCK TABLE task_dependencies IN ACCESS EXCLUSIVE MODE"):
        gate.open.set()
        running.wait_for(parent, "completed", timeout_seconds=PROMPT_SECONDS)
        run_some(running)
        assert running.task(child).state == "blocked"
    running.wait_for(child, "completed", timeout_seconds=PROMPT_SECONDS)


@pytest.mark.parametrize("table", ["tasks", "task_events"])
def test_a_standstill_is_named_and_costs_no_leader(running: Engine, gate: Gate, table: str) -> None:
    task_id = running.submit("demo.gate")
    running.wait_for(task_id, "in_progress")
    with holding(running, f"LOCK TABLE {table} IN SHARE MODE"):
        gate.open.set()
        [line] = wait_until(lambda: blocked_lines(running))
        assert f"table {table}" in line
        assert "LOCK TABLE" in line
        if table == "tasks":
            assert "somebody" in why_text(running, task_id)
    running.wait_for(task_id, "completed", timeout_seconds=PROMPT_SECONDS)
    run_some(running)
    assert running.leader() == 1
    assert running.events(task_id) == ["submitted", "assigned", "started", "completed"]


def why_text(engine: Engine, task_id: str) -> str:
    cache = RedisCache(engine.broker.redis, engine.broker.keys)
    found = why(engine.database, engine.broker, cache, task_id, engine.settings.auth)
    return f"{found.summary} {found.holds}"


def test_one_who_waits_in_front_of_us_is_traced_to_who_holds(running: Engine) -> None:
    """An ALTER TABLE that waits for a reader keeps everybody behind it waiting."""
    with holding(running, "SELECT count(*) FROM tasks"):
        session = connect_driver(running.settings.database_url, application_name="altering")

        def alter() -> None:
            with session.cursor() as cursor:
                cursor.execute("ALTER TABLE tasks ADD COLUMN extra text")

        waiting = threading.Thread(target=alter, daemon=True)
        waiting.start()
        lines = wait_until(lambda: blocked_lines(running))
        assert any("somebody" in line and "SELECT count" in line for line in lines), lines
    waiting.join(10)
    session.rollback()
    session.close()
    run_some(running)
    assert running.leader() == 1


def test_why_names_who_holds_the_row(running: Engine, gate: Gate) -> None:
    task_id = running.submit("demo.gate")
    running.wait_for(task_id, "in_progress")
    secret = "UPDATE tasks SET title = 'top secret' WHERE id = %(id)s"
    with holding(running, secret, id=task_id) as session:
        wait_until(lambda: "locked" in why_text(running, task_id))
        text = why_text(running, task_id)
        assert str(session.get_backend_pid()) in text
        assert "UPDATE tasks SET title" in text
        assert "top secret" not in text
    gate.open.set()
    running.wait_for(task_id, "completed", timeout_seconds=PROMPT_SECONDS)


def test_an_operator_waits_a_bounded_time_and_learns_for_whom(
    running: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskyard.core.postgres.connections.LOCK_TIMEOUT_MS", 300)
    monkeypatch.setattr("taskyard.core.postgres.store.locks.LOCK_TIMEOUT_MS", 300)
    running.database.close()
    task_id = running.submit("demo.gate")
    running.wait_for(task_id, "in_progress")
    with holding(running, "SELECT 1 FROM tasks WHERE id = %(id)s FOR UPDATE", id=task_id):
        for act in (
            lambda: running.submitter.cancel(task_id, actor="ann"),
            lambda: running.submitter.commands.cancel_many([task_id], actor="ann", reason="why"),
        ):
            began = time.monotonic()
            with pytest.raises(Busy, match=r"another session holds a lock that this needs.*somebody"):
                act()
            assert time.monotonic() - began < 2
        run_some(running)
    running.submitter.cancel(task_id, actor="ann")
    gate.open.set()


def test_an_open_key_keeps_only_its_own_caller_waiting(running: Engine) -> None:
    with connect_engine(running.database.url, pool_size=1).begin() as connection:
        first = running.submit("demo.echo", idempotency_key="open", connection=connection)
        answers: list[object] = []
        same = [
            threading.Thread(target=lambda: answers.append(running.submit("demo.echo", idempotency_key="open")))
            for _ in range(4)
        ]
        for thread in same:
            thread.start()
        slowest = 0.0
        for number in range(20):
            began = time.monotonic()
            running.submit("demo.echo", idempotency_key=f"other-{number}")
            running.submit("demo.echo")
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 1.0, "two submissions, each at most one short wait"
        assert not answers
    for thread in same:
        thread.join(10)
    assert answers == [first] * 4


def test_a_child_whose_key_is_open_stalls_neither_tick_nor_siblings(running: Engine) -> None:
    started, go_on = threading.Event(), threading.Event()

    def parent(given: Payload, context: TaskContext) -> Payload:
        started.set()
        go_on.wait(10)
        return Payload(child=context.submit("demo.echo", {"n": 1}, key="mine"))

    running.define("demo.parent", parent)
    task_id = running.submit("demo.parent")
    assert started.wait(10)
    key = f"{task_id}/key/mine"
    insert = (
        "INSERT INTO tasks (id, queue, type, state, priority, input, max_attempts, timeout_seconds, ready_at,"
        " created_at, idempotency_key, content_hash)"
        " VALUES (gen_random_uuid(), 'q', 'demo.echo', 'pending', 1, '{}', 1, 1, now(), now(), %(key)s, 'x')"
    )
    with holding(running, insert, key=key):
        go_on.set()
        run_some(running)
        run_some(running)
        assert running.task(task_id).state == "in_progress"
    done = running.wait_for(task_id, "completed", timeout_seconds=PROMPT_SECONDS)
    running.wait_for(done.output["child"], "completed")


def test_a_locked_agents_row_stops_no_task(running: Engine) -> None:
    with holding(running, "SELECT 1 FROM agents FOR UPDATE"):
        run_some(running)
        other = running.agent("agent-2")
        run_some(running)
        other.stop()
        run_some(running)
    wait_until(lambda: running.agent_state(other.id) == "left", message="what was left is recorded")
    assert running.leader() == 1


def test_a_dispatcher_stops_at_once_while_everything_is_locked(engine: Engine) -> None:
    worker = engine.worker()
    engine.agent()
    run_some(engine)
    engine.submit("demo.echo")
    with holding(engine, "LOCK TABLE tasks, task_events, holds, agents, task_dependencies IN ACCESS EXCLUSIVE MODE"):
        wait_until(lambda: worker.dispatcher.term.committer.pauses, message="it met a lock")
        began = time.monotonic()
        worker.stop()
        assert time.monotonic() - began < PROMPT_SECONDS


@pytest.mark.parametrize("statement", ["SELECT 1 FROM leadership FOR UPDATE", "LOCK TABLE holds"])
def test_a_term_that_can_not_begin_says_for_whom_it_waits(engine: Engine, statement: str) -> None:
    with holding(engine, statement):
        worker = RunningWorker(engine.settings, engine.registry, "late")
        try:
            [line] = wait_until(
                lambda: [entry["reason"] for entry in engine.logs if "a term can't begin" in str(entry.get("reason"))]
            )
            assert "somebody" in line
        except BaseException:
            worker.stop()
            raise
    wait_until(lambda: worker.is_leading)
    assert engine.leader() == 1, "terms that could not begin were none"
    worker.stop()


def test_a_migration_gives_up_rather_than_hold_everybody_up(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.core.postgres.migrations.LOCK_TIMEOUT_MS", 300)
    with holding(engine, "DROP TABLE alembic_version", "SELECT 1"), pytest.raises(Busy):
        migrate(engine.settings.database_url)


def test_timeouts_of_the_role_change_no_leader(engine: Engine) -> None:
    with engine.leader_connection() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        name = cursor.fetchone()[0]
        connection.rollback()
        cursor.execute(f"ALTER DATABASE {name} SET statement_timeout = 20")
        cursor.execute(f"ALTER DATABASE {name} SET lock_timeout = 1")
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
        connection.commit()
    with engine.leader_connection() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
        assert cursor.fetchone() == ("5s", "400ms")
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("read committed",)
        connection.rollback()
