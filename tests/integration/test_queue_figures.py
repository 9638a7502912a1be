"""What came to queues and left them, by the roll-ups."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import holds, queue_figures
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.telemetry.queue_figures import WINDOWS_MINUTES
from taskyard.worker.monitor.rollup import RollUp
from tests.integration.recount import SPAN_SECONDS, START, random_events, store


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    database.close()


def test_rates_of_every_queue_equal_a_recount(database: Database) -> None:
    events = random_events(random.Random(21), START, START + SPAN_SECONDS, 3_000)
    store(database, events)
    RollUp(database).run(lambda: True)
    now = START + 4 * 3600 + 31.5
    until = now // 60 * 60
    with database.transaction() as tx:
        found = queue_figures.queue_rates(tx, now)
        assert queue_figures.queue_rates(tx, START + SPAN_SECONDS + 2 * 3600) == {}
    assert set(found) == {"default", "other"}
    for queue, rates in found.items():
        assert set(rates) == set(WINDOWS_MINUTES)
        for minutes, rate in rates.items():
            within = [e["event"] for e in events if e["queue"] == queue and until - 60 * minutes <= e["at"] < until]
            assert rate.arrived * minutes == pytest.approx(within.count("submitted"))
            assert rate.completed * minutes == pytest.approx(within.count("completed"))
            ends = sum(within.count(event) for event in ("completed", "failed", "cancelled"))
            assert rate.ended * minutes == pytest.approx(ends)


def test_holds_and_policies_are_there(database: Database, settings: Settings) -> None:
    chosen = settings.model_copy(update={"placement_by_queue": {"reports": "priority"}})
    with database.transaction() as tx:
        holds.hold(tx, HoldKind.QUEUE, "ci", HoldMode.PAUSED, "ann", "broken")
        found = queue_figures.queue_figures(tx, None, chosen.placement_of, chosen.placement_by_queue, START)
    assert [(one.queue, one.policy, one.hold and one.hold.reason) for one in found] == [
        ("ci", "least_loaded", "broken"),
        ("reports", "priority", None),
    ]
