"""What the audit log says of what agents ran."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import timeline
from tests.engine import Engine
from tests.integration.recount import SPAN_SECONDS, START, random_events, store


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    database.close()


def ended(events: list[dict[str, Any]], since: float, until: float) -> list[dict[str, Any]]:
    ends = ("completed", "failed", "attempt_failed")
    found = [e for e in events if e["event"] in ends and since <= e["at"] < until]
    return sorted(found, key=lambda e: e["run_seconds"], reverse=True)


def test_the_longest_and_how_many_there_were(database: Database) -> None:
    events = random_events(random.Random(11), START, START + SPAN_SECONDS, 1_500)
    store(database, events)
    since, until = START + 1_000.5, START + SPAN_SECONDS - 1_000.5
    wanted = ended(events, since, until)
    with database.transaction() as tx:
        every = timeline.ends(tx, since, until)
        some = timeline.ends(tx, since, until, limit=20)
    assert (every.total, every.since) == (len(wanted), since)
    assert {end.task_id for end in every.attempts} == {e["task_id"] for e in wanted}
    assert [end.task_id for end in some.attempts] == [e["task_id"] for e in wanted[:20]]
    assert (some.total, some.since) == (len(wanted), since)
    for end, e in zip(some.attempts, wanted, strict=False):
        assert (end.agent, end.type, end.outcome) == (e["agent_id"].partition(":")[0], e["type"], e["event"])
        assert end.end == pytest.approx(e["at"], abs=1e-3)
        assert end.end - end.start == pytest.approx(e["run_seconds"], abs=1e-3)


def test_a_busy_range_is_cut_short(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    events = random_events(random.Random(12), START, START + 100, 2_000)
    store(database, events)
    monkeypatch.setattr(timeline, "ENDS_LOOKED_AT", 100)
    with database.transaction() as tx:
        found = timeline.ends(tx, START, START + 100)
    assert START < found.since < START + 97
    assert 100 <= found.total < 1_000
    assert found.total == len(ended(events, found.since, START + 100)) == len(found.attempts)


def test_when_it_really_started(engine: Engine) -> None:
    """The end is recorded some time after the attempt: what the agent said of its start counts."""
    engine.define("demo.sleep", lambda given, context: (time.sleep(given.seconds), given)[1])
    engine.worker()
    engine.agent("a", max_concurrency=1)
    ids = [engine.submit("demo.sleep", {"seconds": seconds}) for seconds in (0.2, 0.1)]
    engine.wait_for_all(ids)
    with engine.database.transaction() as tx:
        found = timeline.ends(tx, time.time() - 60, time.time() + 60)
    assert [end.task_id for end in found.attempts] == ids
    for end in found.attempts:
        task = engine.task(end.task_id)
        assert (end.agent, end.attempt, end.outcome) == ("a", 1, "completed")
        assert end.start == pytest.approx(task.started_at.timestamp(), abs=1e-5)
    first, second = found.attempts
    assert first.end <= second.start + 0.01
