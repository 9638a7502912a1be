"""Policies are compared by replay each hour, in a process of its own: in shadow mode, and against head starts."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.learning.comparison import Waits, is_harmful
from taskyard.core.postgres.store import comparisons
from taskyard.core.postgres.store.comparisons import Comparison
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.learning.comparing import Comparing, judged
from taskyard.worker.learning.learner import Learner
from tests.engine import Engine, Payload, running_engine
from tests.servers import wait_until

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def sleep(given: Payload, context: TaskContext) -> Payload:
    time.sleep(float(getattr(given, "seconds", 0.0)))
    return given


def test_a_queue_in_shadow_mode_is_compared_each_hour_and_nothing_else_changes(settings: Settings) -> None:
    with running_engine(settings.model_copy(update={"shadow_queues": ("seen",)})) as engine:
        engine.define("c.sleep", sleep)
        worker = engine.worker()
        engine.agent(max_concurrency=2)
        learner = Learner(engine.database, engine.broker, worker.dispatcher, Clock(), engine.settings.placement_of)
        endpoints = Endpoints(str(engine.settings.database_url), str(engine.settings.redis_url))
        comparing = Comparing(engine.settings, endpoints, engine.database, worker.dispatcher, learner)
        learner.run()
        for queue in ("seen", "other"):
            ids = [engine.submit("c.sleep", {"seconds": 0.01}, queue=queue) for _ in range(5)]
            engine.wait_for_all(ids)
            learner.run()
            engine.wait_for(engine.submit("c.sleep", queue=queue))
            learner.run()
        wait_until(lambda: (learner.run(), {"seen", "other"} <= set(learner.queues()))[1])
        comparing.run()
        comparing.run()  # within the hour nothing more
        found = all_comparisons(engine)
        assert [(one.queue, one.acting, one.policy, one.tasks) for one in found] == [
            ("seen", "least_loaded", "learned", 6)
        ]
        assert set(found[0].figures) == {"recorded", "replayed", "learned"}
        assert not found[0].has_waited
        with engine.database.transaction() as tx:
            tx.rows("UPDATE policy_replays SET at = at - interval '61 minutes'", {})
        comparing.run()
        assert len(all_comparisons(engine)) == 2


def all_comparisons(engine: Engine) -> list[Comparison]:
    with engine.database.transaction() as tx:
        return comparisons.between(tx, NOW - timedelta(days=365), NOW + timedelta(days=3650))


@pytest.mark.parametrize(
    ("learned", "arrival", "tasks", "is_trusted", "expected"),
    [
        (Waits(5.0, 30.0), Waits(10.0, 30.0), 1_000, True, False),  # it helps
        (Waits(9.9, 60.0), Waits(10.0, 30.0), 1_000, True, True),
        (Waits(5.0, 32.0), Waits(10.0, 30.0), 1_000, True, False),  # p99 rises little
        (Waits(5.0, 40.0), Waits(10.0, 30.0), 1_000, True, False),  # and by less than the mean falls
        (Waits(9.9, 60.0), Waits(10.0, 30.0), 50, True, False),  # too few
        (Waits(9.9, 60.0), Waits(10.0, 30.0), 1_000, False, False),  # the replay is not like the record
        (Waits(0.0, 0.0), Waits(0.0, 0.0), 1_000, True, False),  # nothing waited
    ],
)
def test_head_starts_are_harmful_if_they_cost_more_than_they_bring(
    learned: Waits, arrival: Waits, tasks: int, is_trusted: bool, expected: bool
) -> None:
    assert is_harmful(learned, arrival, tasks, is_trusted=is_trusted) is expected
    figures = {
        "replayed": {"mean": learned.mean, "p99": learned.p99},
        "least_loaded": {"mean": arrival.mean, "p99": arrival.p99},
    }
    comparison = Comparison(NOW, "q", NOW, NOW, tasks, "learned", "least_loaded", is_trusted, True, figures)
    assert judged(comparison) is expected
