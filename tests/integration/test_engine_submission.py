"""The way in: keys used twice, the caller's transaction, many at once, servers that are away."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from taskyard.core.config import Settings
from taskyard.core.edges import Condition
from taskyard.core.errors import IdempotencyConflict, PermanentError, SubmissionError, TaskNotFound, Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.pools import connect_engine
from taskyard.core.submission.submit import Submitter, open_submitter
from taskyard.worker.attempts.context import TaskContext
from tests.engine import Engine, Payload, running_engine
from tests.servers import wait_until


def echo(given: Payload, context: TaskContext) -> Payload:
    return given


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    with running_engine(settings) as engine:
        engine.define("demo.echo", echo)
        yield engine


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else gets."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_idempotency_key_used_twice_gives_the_first_task(engine: Engine) -> None:
    first = engine.submit("demo.echo", {"n": 1}, idempotency_key="k")
    assert engine.submit("demo.echo", {"n": 1}, idempotency_key="k") == first
    assert engine.counts() == {"pending": 1}
    with pytest.raises(IdempotencyConflict, match=first):
        engine.submit("demo.echo", {"n": 2}, idempotency_key="k")
    assert engine.events(first) == ["submitted"]


@pytest.mark.parametrize("options", [{}, {"idempotency_key": "k"}], ids=["copied", "inserted"])
def test_a_queue_and_a_tag_may_be_called_null(engine: Engine, options: dict[str, str]) -> None:
    submissions = [
        {"type": "demo.echo", "queue": queue, "requires": [queue, "x"], **dict.fromkeys(options, queue)}
        for queue in ("null", "null-2", "a")
    ]
    ids = engine.submitter.submit_many(submissions)
    ids.append(engine.submit("demo.echo", {}, queue="null", requires=["null"]))
    found = [(task.queue, list(task.requires)) for task in map(engine.task, ids)]
    assert found == [(name, [name, "x"]) for name in ("null", "null-2", "a")] + [("null", ["null"])]


def test_idempotency_key_from_eight_threads_makes_one_task(engine: Engine) -> None:
    others = [open_submitter(engine.settings, engine.registry, engine.settings.database_url, engine.settings.redis_url)]
    submitters = [engine.submitter, *others]  # the second one has a group and connections of its own
    together = threading.Barrier(8)

    def submit(index: int) -> str:
        together.wait()
        return submitters[index % 2].submit("demo.echo", {"n": 1}, idempotency_key="k")

    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(submit, range(8)))
    for other in others:
        other._database.close()
        other._notifier._broker.redis.close()
    assert len(ids) == 1
    assert engine.counts() == {"pending": 1}


def test_submission_joins_the_callers_transaction(engine: Engine) -> None:
    engine.worker()
    engine.agent()
    with connect_engine(engine.database.url, pool_size=1).connect() as connection:
        gone = engine.submit("demo.echo", {"n": 1}, connection=connection)
        connection.rollback()
        kept = engine.submit("demo.echo", {"n": 2}, connection=connection)
        with pytest.raises(TaskNotFound):
            engine.task(kept)
        connection.commit()
    assert engine.wait_for(kept).output == {"n": 2}  # found by the sweep
    with pytest.raises(TaskNotFound):
        engine.task(gone)


def test_wake_starts_a_task_of_a_callers_transaction_without_a_sweep(engine: Engine) -> None:
    with connect_engine(engine.database.url, pool_size=1).begin() as connection:
        task_id = engine.submit("demo.echo", connection=connection)
    assert engine.broker.depths() == {}
    engine.submitter.wake([task_id])
    assert list(engine.broker.depths().values()) == [1]


def test_five_thousand_tasks_with_progress(engine: Engine) -> None:
    seen: list[int] = []
    submissions = ({"type": "demo.echo", "input": {"n": n}, "priority": "low"} for n in range(5_000))
    ids = engine.submitter.submit_many(submissions, progress=seen.append)
    assert seen == [2_000, 4_000, 5_000]
    assert len(set(ids)) == 5_000
    assert engine.counts() == {"pending": 5_000}
    assert engine.task(ids[4_321]).input == {"n": 4_321}
    assert engine.events(ids[-1]) == ["submitted"]
    engine.worker()
    engine.agent()
    wait_until(lambda: engine.counts() == {"completed": 5_000}, 20)


def test_bad_submission_among_many_is_named_and_its_chunk_is_not_stored(engine: Engine) -> None:
    submissions = [{"type": "demo.echo"} for _ in range(2_500)]
    submissions[2_300] = {"type": "demo.nothing"}
    with pytest.raises(SubmissionError, match=r"^submissions\.2300\.type: 'demo.nothing'"):
        engine.submitter.submit_many(submissions)
    assert engine.counts() == {"pending": 2_000}


def test_task_submitted_while_redis_is_away_is_found_by_the_sweep(engine: Engine, closed_port: int) -> None:
    cut_off = open_submitter(
        engine.settings, engine.registry, engine.settings.database_url, f"redis://127.0.0.1:{closed_port}/0"
    )
    task_ids = [cut_off.submit("demo.echo", {"n": n}) for n in range(3)]
    engine.worker()
    engine.agent()
    engine.wait_for_all(task_ids)
    task_ids = [cut_off.submit("demo.echo", {"n": n}) for n in range(3)]
    engine.wait_for_all(task_ids)
    cut_off._database.close()


def test_submission_while_postgresql_is_away_is_refused(engine: Engine, closed_port: int) -> None:
    database = Database(f"postgresql://nobody@127.0.0.1:{closed_port}/none")
    submitter = Submitter(engine.settings, engine.registry, database, engine.broker)
    with pytest.raises(Unavailable, match=r"^PostgreSQL can't be reached: "):
        submitter.submit("demo.echo")
    with pytest.raises(Unavailable, match=r"^PostgreSQL can't be reached: "):
        submitter.submit_many([{"type": "demo.echo"}])
    database.close()
    assert engine.broker.depths() == {}


def test_delayed_task_starts_when_it_is_due(engine: Engine) -> None:
    engine.worker()
    engine.agent()
    due = datetime.now(UTC) + timedelta(seconds=0.7)
    by_time = engine.submit("demo.echo", run_at=due)
    by_delay = engine.submit("demo.echo", delay_seconds=0.5)
    at_once = engine.submit("demo.echo", run_at=datetime.now(UTC) - timedelta(days=1))
    assert [engine.task(task_id).state for task_id in (by_time, by_delay)] == ["scheduled", "scheduled"]
    assert engine.wait_for(at_once).assigned_at < due
    delayed, timed = engine.wait_for(by_delay), engine.wait_for(by_time)
    assert [delayed.state, timed.state] == ["completed", "completed"]
    assert 0.5 <= (delayed.assigned_at - delayed.created_at).total_seconds() < 1.5
    assert 0.0 <= (timed.assigned_at - due).total_seconds() < 1.0
    assert [(e.event, e.from_state) for e in engine.history(by_delay)][:2] == [
        ("submitted", None),
        ("assigned", "scheduled"),
    ]


def test_task_waits_for_the_tasks_before_it(engine: Engine) -> None:
    gate = threading.Event()

    def wait(given: Payload, context: TaskContext) -> Payload:
        gate.wait(10)
        return given

    engine.define("demo.wait", wait)
    engine.worker()
    engine.agent()
    parents = [engine.submit("demo.echo"), engine.submit("demo.wait")]
    child = engine.submit("demo.echo", {"n": 1}, after=parents)
    grandchild = engine.submit("demo.echo", {"n": 2}, after=[child])
    engine.wait_for(parents[0], "completed")
    wait_until(lambda: engine.task(child).waiting_on == 1)
    assert engine.task(child).state == "blocked"
    gate.set()
    assert engine.wait_for(grandchild).state == "completed"
    assert engine.task(child).assigned_at >= engine.task(parents[1]).finished_at
    assert engine.events(child) == ["submitted", "unblocked", "assigned", "completed"]
    assert engine.wait_for(engine.submit("demo.echo", after=[child])).state == "completed"  # nothing left to wait for


def test_a_condition_decides_which_children_run(engine: Engine) -> None:
    def fail(given: Payload, context: TaskContext) -> Payload:
        raise PermanentError("no use")

    engine.define("demo.fail", fail)
    children = {}
    for parent_type in ("demo.echo", "demo.fail"):
        parent = engine.submit(parent_type, delay_seconds=0.5)
        for when in Condition:
            children[parent_type, when.value] = engine.submit("demo.echo", {"n": 1}, after=[parent], when=when.value)
    engine.worker()
    engine.agent()
    ends = {key: engine.wait_for(child).state.value for key, child in children.items()}
    assert ends == {
        ("demo.echo", "completed"): "completed",
        ("demo.echo", "ended"): "completed",
        ("demo.echo", "failed"): "cancelled",
        ("demo.fail", "completed"): "cancelled",
        ("demo.fail", "ended"): "completed",
        ("demo.fail", "failed"): "completed",
    }
    ended = engine.submit("demo.echo", after=[parent], when="ended")  # its parent has ended already
    assert engine.wait_for(ended).state == "completed"
    with pytest.raises(SubmissionError, match="it is failed"):
        engine.submit("demo.echo", after=[parent])
    with pytest.raises(
        SubmissionError, match=r"when: 'soon' is not accepted, expected one of completed, ended, failed"
    ):
        engine.submit("demo.echo", after=[parent], when="soon")


def test_unknown_or_failed_parent_is_refused(engine: Engine) -> None:
    missing = "01890000-0000-7000-8000-000000000000"
    with pytest.raises(SubmissionError, match="the id of an existing task"):
        engine.submit("demo.echo", after=[missing])
    parent = engine.submit("demo.echo")
    engine.submitter.cancel(parent, actor="me")
    with pytest.raises(SubmissionError, match="it is cancelled"):
        engine.submit("demo.echo", after=[parent])
