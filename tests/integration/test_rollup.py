"""Roll-ups equal a recount of the events, however often they were interrupted, repeated or late."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import pytest

from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database, connect_driver
from taskyard.core.postgres.store import history, rollups
from taskyard.core.postgres.store.rollups import DAY, HOUR, LEVELS, MINUTE, TEN_MINUTES, Sample
from taskyard.core.telemetry.histogram import Histogram
from taskyard.worker.monitor.rollup import RollUp
from tests.integration.recount import SPAN_SECONDS, START, assert_equal, random_events, recount, rolled, store
from tests.servers import wait_until


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    database.close()


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("seed", range(5))
def test_equals_a_recount_after_random_restarts(database: Database, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    events = random_events(draw, START, START + SPAN_SECONDS)
    store(database, events)
    restarts = 0
    real = rollups.note_progress
    left = itertools.count()

    def note_progress(*arguments: Any) -> None:
        if next(left) < 12 and draw.random() < 0.5:
            raise Interrupted  # between the counting and the commit
        real(*arguments)

    monkeypatch.setattr(rollups, "note_progress", note_progress)
    while True:
        duty = RollUp(database)
        duty._minutes_at_once = draw.randrange(1, 100)
        try:
            duty.run(lambda: True)
            break
        except Interrupted:
            restarts += 1
    RollUp(database).run(lambda: True)
    assert restarts > 0
    assert_equal(database, events)


def test_stops_when_told_and_goes_on_later(database: Database) -> None:
    events = random_events(random.Random(1), START, START + SPAN_SECONDS, 200)
    store(database, events)
    allowed = iter([True, True, False, False])
    RollUp(database).run(lambda: next(allowed))
    with database.transaction() as tx:
        assert rollups.levels(tx)[MINUTE] < START + SPAN_SECONDS
    RollUp(database).run(lambda: True)
    assert_equal(database, events)


def test_the_unfinished_minute_is_there_and_is_replaced(database: Database) -> None:
    with database.transaction() as tx:
        [(now,)] = tx.rows("SELECT date_part('epoch', now())", {})
    first = random_events(random.Random(1), now + 60, now + 150, 50)  # sure not to be complete
    store(database, first)
    RollUp(database).run(lambda: True)
    second = random_events(random.Random(2), now + 60, now + 150, 50)
    store(database, second)
    RollUp(database).run(lambda: True)
    found = rolled(database, MINUTE)
    assert {key: row["counts"] for key, row in found.items()} == {
        key: {name: n for name, n in row["counts"].items() if n} for key, row in recount(first + second, MINUTE).items()
    }


def test_a_minute_waits_for_transactions_that_can_add_to_it(database: Database, database_url: str) -> None:
    RollUp(database).run(lambda: True)
    writer = connect_driver(database_url)
    try:
        with writer.cursor() as cursor:
            cursor.execute("SELECT date_part('epoch', now())")
            [began] = cursor.fetchone()  # type: ignore[misc]

        def settled_until(**patience: float) -> float:
            with database.transaction() as tx:
                return rollups.settled_until(tx, **patience)

        wait_until(lambda: settled_until() == pytest.approx(began, abs=1e-5))
        wait_until(lambda: settled_until(patience_seconds=1.0) > began + 0.1)  # it is not waited for for ever
        assert settled_until() == pytest.approx(began, abs=1e-5)
    finally:
        writer.close()


def test_away_is_said_and_caught_up_later(database: Database) -> None:
    closed = Database("postgresql://nobody@127.0.0.1:1/none", pool_size=1)
    with pytest.raises(Unavailable):
        RollUp(closed).run(lambda: True)


def test_series_by_any_step_adds_up(database: Database) -> None:
    events = random_events(random.Random(3), START, START + SPAN_SECONDS)
    store(database, events)
    RollUp(database).run(lambda: True)
    until = START + SPAN_SECONDS
    counted = [e for e in events if e["type"] is not None]
    with database.transaction() as tx:
        for step in (MINUTE, 10 * MINUTE, HOUR, DAY):
            points = history.series(tx, START, until, step)
            whole = history.total(points)
            assert all(point.at % step == 0 for point in points)
            assert whole.submitted == sum(e["event"] == "submitted" for e in counted)
            assert sum(whole.failures.values()) == sum(e["class"] is not None for e in counted)
            runs = Histogram.of(e["run_seconds"] for e in counted if e["run_seconds"] is not None)
            assert whole.run.counts == runs.counts
        only = history.Filter(queue="other", type="a.b", agent="agent-1")
        some = history.total(history.series(tx, START, until, HOUR, only, percentiles=False))
        assert some.completed == sum(
            (e["event"], e["queue"], e["type"], e["agent_id"]) == ("completed", "other", "a.b", "agent-1:boot")
            for e in counted
        )
        rates = {(r.agent, r.type): r for r in history.reliability(tx, START, until)}
        one = rates["agent-2", "c.d"]
        ended = [e for e in counted if (e["agent_id"], e["type"]) == ("agent-2:boot", "c.d") and e["run_seconds"]]
        assert one.completed == sum(e["event"] == "completed" for e in ended)
        assert one.failed == sum(e["event"] != "completed" for e in ended)
        assert one.mean_seconds == pytest.approx(sum(e["run_seconds"] for e in ended) / len(ended), rel=1e-5)
        starts = [START + ten * 600.0 for ten in range(SPAN_SECONDS // 600)]
        slots = history.slots(tx, 600, starts)
        assert sum(slot.submitted for of_type in slots.values() for slot in of_type.values()) == whole.submitted
        assert sum(slot.ran for of_type in slots.values() for slot in of_type.values()) == runs.count
        [first] = {history.first_seen(tx, START - DAY)["a.b"]}
        assert first == START


def test_samples_are_added_up_and_rolled_up(database: Database) -> None:
    store(database, random_events(random.Random(4), START, START + SPAN_SECONDS, 500))
    with database.transaction() as tx:
        for minute in range(120):
            for value in (1.0, float(minute)):
                at = START + minute * MINUTE
                rollups.add_samples(tx, [Sample(at, "host", "here", "load", 1, value, value, value)])
    RollUp(database).run(lambda: True)
    with database.transaction() as tx:
        [first, second] = history.samples(tx, "host", START, START + 2 * HOUR, HOUR)
        assert first == (START, "here", "load", pytest.approx((60 + sum(range(60))) / 120), 0.0, 59.0)
        assert second[4:] == (1.0, 119.0)


def test_samples_of_many_names_are_those_of_the_foremost_and_the_rest_together(database: Database) -> None:
    with database.transaction() as tx:
        for minute in range(3):
            for number in range(50):
                value = float(number * (minute + 1))
                at = START + minute * MINUTE
                rollups.add_samples(tx, [Sample(at, "queue", f"q{number:02}", "waiting", 2, 2 * value, 0.0, value + 1)])
    with database.transaction() as tx:
        found = history.foremost_samples(tx, "queue", "waiting", START, START + 3 * MINUTE, MINUTE, 2)
        [one, *_later] = history.samples(tx, "queue", START, START + 3 * MINUTE, MINUTE, name="q07")
        together = history.foremost_samples(tx, "queue", "waiting", START, START + MINUTE, MINUTE, 0)

    times = [(START + minute * MINUTE, minute + 1) for minute in range(3)]
    rest = sum(range(48))
    assert found == [
        row
        for at, n in times
        for row in (
            (at, "q48", 48 * n, 48 * n + 1, 1),
            (at, "q49", 49 * n, 49 * n + 1, 1),
            (at, None, rest * n, 47 * n + 1, 48),
        )
    ]
    assert one == (START, "q07", "waiting", 7.0, 0.0, 8.0)
    assert together == [(START, None, sum(range(50)), 50.0, 50)]


def test_ten_minutes_wait_for_the_samples_of_their_last_minute(database: Database) -> None:
    until = START // TEN_MINUTES * TEN_MINUTES + TEN_MINUTES
    roll_up = RollUp(database)
    with database.transaction() as tx:
        for level in LEVELS:
            rollups.progress(tx, level)
            rollups.note_progress(tx, level, until - DAY)
        rollups.note_progress(tx, MINUTE, until)
    roll_up._roll_above()
    with database.transaction() as tx:
        assert rollups.levels(tx)[TEN_MINUTES] < until
        rollups.add_samples(tx, [Sample(until - MINUTE, "host", "here", "cpu_percent", 6, 60.0, 5.0, 15.0)])
        rollups.note_progress(tx, MINUTE, until + MINUTE)
    roll_up._roll_above()
    with database.transaction() as tx:
        assert rollups.levels(tx)[TEN_MINUTES] == until
        [(count,)] = tx.rows("SELECT count FROM metric_samples WHERE level_seconds = 600", {})
    assert count == 6


def test_retention_per_level(database: Database) -> None:
    events = random_events(random.Random(5), START, START + SPAN_SECONDS, 500)
    store(database, events)
    duty = RollUp(database)
    duty.run(lambda: True)
    duty.prune({MINUTE: 1, TEN_MINUTES: 0, HOUR: 0, DAY: 0})
    assert rolled(database, MINUTE) == {}
    assert rolled(database, HOUR) != {}


def test_a_question_about_a_range_reads_little_beside_it(database: Database, database_url: str) -> None:
    """The roll-up tells the index of times what was written since the last VACUUM; not while one is under way."""
    with database.transaction() as tx:
        tx.rows("ALTER TABLE task_events_default SET (autovacuum_enabled = off)", {})
    store(database, sorted(random_events(random.Random(8), START, START + SPAN_SECONDS, 10_000), key=itemgetter("at")))

    def pages_read() -> int:
        with database.transaction() as tx:
            tx.rows("SELECT set_config('enable_seqscan', 'off', true)", {})
            plan = tx.rows(
                "EXPLAIN (ANALYZE) SELECT count(*) FROM task_events"
                " WHERE at >= to_timestamp(%(since)s) AND at < to_timestamp(%(until)s)",
                {"since": START + 60, "until": START + 120},
            )
        return sum(int(pages) for line in plan for pages in re.findall(r"lossy=(\d+)", line[0]))

    before = pages_read()
    assert before > 100
    vacuum = connect_driver(database_url)
    try:
        vacuum.cursor().execute("LOCK TABLE task_events_default IN SHARE UPDATE EXCLUSIVE MODE")  # as VACUUM does
        RollUp(database).run(lambda: True)
        assert pages_read() == before
    finally:
        vacuum.close()
    RollUp(database).run(lambda: True)
    assert pages_read() <= 64
