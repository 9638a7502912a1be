"""Lifts tasks that wait unusually long under the policy `learned`, on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from taskyard.core.config import Settings
from taskyard.core.models import Lane
from taskyard.core.postgres.store import lifting, tasks
from taskyard.core.postgres.store.recovery import NIL
from taskyard.core.scheduling import lifting as deciding
from taskyard.core.scheduling.lifting import Lift
from taskyard.core.scheduling.placement import score
from taskyard.core.telemetry.histogram import bucket_of
from taskyard.worker.learning import lifting as lifting_duty
from tests.engine import Engine, running_engine
from tests.learned_queues import LONG_SECONDS, Leading, busy_agent, first_started, hurry, prove, sleep
from tests.servers import wait_until

LIMIT_SECONDS = 0.3
LONG = Lane("default", "o.long")
KNOWN = """
INSERT INTO metric_counts (level_seconds, at, queue, type, agent, submitted, wait_buckets, wait_counts)
VALUES (60, to_timestamp(floor(date_part('epoch', now()) / 60) * 60 - 3600), 'default', 'o.long', '', 0,
    ARRAY[%(bucket)s], ARRAY[%(count)s])
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    monkeypatch.setattr(lifting_duty, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(lifting_duty, "LIMITS_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(deciding, "MIN_LIMIT_SECONDS", LIMIT_SECONDS)


@pytest.fixture
def engine(settings: Settings, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine whose queues have the policy `learned`, or that of the test."""
    policy = getattr(request, "param", "learned")
    with running_engine(settings.model_copy(update={"placement": policy})) as engine:
        engine.define("o.short", sleep)
        engine.define("o.long", sleep)
        yield engine


def proven(engine: Engine) -> Leading:
    """A leader that gives head starts, and no agent."""
    leading = Leading(engine, engine.worker())
    agent = engine.agent(max_concurrency=8)
    prove(engine, leading)
    assert leading.queue()[0]
    agent.stop()
    return leading


def know_waits(engine: Engine, count: int = 200) -> None:
    """Has waits of the last day on record that are much shorter than the limit."""
    with engine.database.transaction() as tx:
        tx.rows(KNOWN, {"bucket": bucket_of(0.01), "count": count})


def stream_of_short_ones(engine: Engine, leading: Leading, beyond: str) -> list[str]:
    """Submits short tasks until one goes ahead of that task; returns them."""
    ids: list[str] = []

    def is_overtaken() -> bool:
        leading.look()
        ids.append(engine.submit("o.short"))
        return places(engine, [ids[-1]])[0] < places(engine, [beyond])[0]

    wait_until(is_overtaken)
    return ids


def places(engine: Engine, ids: list[str]) -> list[float]:
    """The scores of tasks by their rows."""
    found = [engine.task(id_) for id_ in ids]
    return [score(one.ready_at.timestamp(), one.priority, "learned", one.head_start or 0.0) for one in found]


def place_in_redis(engine: Engine, id_: str) -> float | None:
    found: float | None = engine.redis.zscore(engine.broker.keys.ready(LONG), id_)
    return found


def test_a_long_task_behind_a_stream_of_short_ones_is_lifted_and_starts_next(engine: Engine) -> None:
    leading = proven(engine)
    with busy_agent(engine):
        long = engine.submit("o.long", {"seconds": LONG_SECONDS})
        short = stream_of_short_ones(engine, leading, long)
        assert engine.task(long).head_start is None
        know_waits(engine)
        wait_until(lambda: (leading.look(), engine.task(long).head_start)[1])
        leading.look()
        short += [engine.submit("o.short") for _ in range(5)]
        assert places(engine, [long])[0] < min(places(engine, short))
        assert place_in_redis(engine, long) == pytest.approx(places(engine, [long])[0], abs=1e-6)
        event = next(one for one in engine.history(long) if one.event == "lifted")
        assert (event.actor, event.from_state, event.to_state) == ("worker", "pending", "pending")
        assert event.detail is not None
        assert event.detail["limit_seconds"] == LIMIT_SECONDS < event.detail["waited_seconds"]
    engine.wait_for_all([long, *short])
    assert first_started(engine, [long, *short]) == long


def test_a_lifted_task_has_the_same_place_after_redis_was_wiped(engine: Engine) -> None:
    leading = proven(engine)
    know_waits(engine)
    with busy_agent(engine):
        long = [engine.submit("o.long") for _ in range(3)]
        wait_until(lambda: (leading.look(), all(engine.task(id_).head_start for id_ in long))[1])
        before = [place_in_redis(engine, id_) for id_ in long]
        assert None not in before
        engine.wipe_redis()
        wait_until(lambda: None not in [place_in_redis(engine, id_) for id_ in long])
        assert [place_in_redis(engine, id_) for id_ in long] == before


def test_the_sweep_moves_a_task_whose_lift_did_not_reach_redis(engine: Engine) -> None:
    """As after a crash between the commit and the push."""
    engine.worker()
    id_ = engine.submit("o.long")
    before = place_in_redis(engine, id_)
    assert before is not None
    with engine.database.transaction() as tx:
        [lifted] = lifting.lift(tx, [Lift(LONG, 0.0, 64.0)], [id_], "worker")
    assert (lifted.was.head_start, lifted.now.head_start) == (0.0, 64.0)
    wait_until(lambda: place_in_redis(engine, id_) == before - 64.0)


@pytest.mark.parametrize("engine", ["least_loaded", "priority"], indirect=True)
def test_nothing_is_lifted_under_another_policy(engine: Engine) -> None:
    leading = proven(engine)
    know_waits(engine)
    with busy_agent(engine):
        long = engine.submit("o.long")
        is_late = deciding.LIMIT_FACTOR * LIMIT_SECONDS
        wait_until(lambda: (leading.look(), leading.learner._queues.published()["default"][1] > is_late)[1])
        leading.look()
        assert engine.task(long).head_start is None
        assert "lifted" not in engine.events(long)


def test_nothing_is_lifted_while_few_waits_are_known(engine: Engine) -> None:
    leading = proven(engine)
    know_waits(engine, count=5)
    with busy_agent(engine):
        long = engine.submit("o.long")
        is_late = deciding.LIMIT_FACTOR * LIMIT_SECONDS
        wait_until(lambda: (leading.look(), leading.learner._queues.published()["default"][1] > is_late)[1])
        leading.look()
        assert engine.task(long).head_start is None


def test_rows_are_found_in_slices_and_lifted_once_unless_they_are_locked(engine: Engine) -> None:
    long = [engine.submit("o.long") for _ in range(5)]
    later = engine.submit("o.long", delay_seconds=3600)
    other = [engine.submit("o.short"), engine.submit("o.long", queue="other")]
    lifts, soon = [Lift(LONG, 0.0, 64.0)], datetime.now(UTC) + timedelta(hours=1)
    with engine.database.transaction() as tx:
        assert lifting.overdue(tx, lifts, NIL, soon, 3, 10) == (long[:3], long[2])
        assert lifting.overdue(tx, lifts, long[2], soon, 100, 10) == (long[3:], None)
        assert lifting.overdue(tx, lifts, NIL, soon, 100, 2) == (long[:2], long[1])
        assert lifting.overdue(tx, lifts, NIL, datetime.now(UTC) - timedelta(hours=1), 100, 10) == ([], None)
        assert lifting.overdue(tx, [Lift(LONG, 600.0, 64.0)], NIL, soon, 100, 10) == ([], None)
    with engine.database.transaction() as locking, engine.database.transaction() as tx:
        locking.rows("SELECT FROM tasks WHERE id = %(id)s::uuid FOR UPDATE", {"id": long[1]})
        lifted = lifting.lift(tx, lifts, [*long, later, *other], "worker")
        assert sorted(one.now.id for one in lifted) == [long[0], *long[2:]]
    with engine.database.transaction() as tx:
        assert [one.now.id for one in lifting.lift(tx, lifts, long, "worker")] == [long[1]]
        assert lifting.lift(tx, lifts, long, "worker") == []
        assert lifting.lift(tx, [Lift(LONG, 0.0, 32.0)], long, "worker") == []  # only ever raised
        assert [event.event for event in tasks.history(tx, long[0])].count("lifted") == 1
