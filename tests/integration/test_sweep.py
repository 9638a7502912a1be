"""The sweep's way through what Redis holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskyard.core.config import Settings
from taskyard.core.models import Lane, Waiting
from taskyard.core.redis.broker import Publication
from taskyard.worker.dispatch.sweep import PAGE, STEPS, Sweeper
from tests.engine import Engine, running_engine
from tests.servers import wait_until
from tests.unit.leader_state_support import task_id

LANES = 3 * STEPS
LARGE = 3 * PAGE
LIMIT = PAGE + 128  # a small set comes whole


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    with running_engine(settings) as engine:
        yield engine


def test_a_round_sees_every_member_a_page_at_a_time(engine: Engine) -> None:
    lanes = [Lane("default", f"demo.n{n}") for n in range(LANES)]
    tasks = [Waiting(task_id(n), lane, 1, 1e9 + n, False) for n, lane in enumerate(lanes)]
    tasks += [Waiting(task_id(LANES + n), lanes[n % 3], 1, 1e9 + n, n % 2 == 0) for n in range(LARGE)]
    engine.broker.push(tasks)
    sweeping = Sweeper(engine.broker)
    for _ in range(2):
        seen: set[str] = set()
        sweeps = 0
        while sweeps == 0 or sweeping._sets or sweeping._next_sets:
            page = sweeping._read()
            assert len(page) <= 2 * LIMIT
            seen |= {member.task_id for member in page}
            sweeps += 1
        assert seen == {task.id for task in tasks}
        assert sweeps >= 4


def test_an_empty_redis_is_a_short_round(engine: Engine) -> None:
    sweeping = Sweeper(engine.broker)
    assert [sweeping._read() for _ in range(3)] == [[], [], []]


def test_a_priority_that_changes_during_a_sweep_stays(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.define("demo.echo", lambda given, context: given)
    first, second = engine.submit("demo.echo"), engine.submit("demo.echo")
    worker = engine.worker()
    lane = engine.broker.keys.ready(Lane("default", "demo.echo"))
    publish, orders = worker.broker.publish, []

    def publish_late(epoch: int, publication: Publication) -> None:
        is_sweep = second in {task.id for task in publication.waiting}
        if is_sweep and not orders:
            engine.submitter.reprioritise(second, "urgent", actor="me")
        publish(epoch, publication)
        if is_sweep:
            orders.append(engine.redis.zrange(lane, 0, -1))

    monkeypatch.setattr(worker.broker, "publish", publish_late)
    wait_until(lambda: orders)
    assert orders[0] == [second.encode(), first.encode()]
