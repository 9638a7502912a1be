"""What a clock that was set does to the history: nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import recovery, rollups
from taskyard.core.postgres.store.rollups import DAY, HOUR, MINUTE
from taskyard.worker.maintenance.steady_time import GAP_SECONDS, SteadyTime
from taskyard.worker.monitor.rollup import RollUp
from tests.clock import FakeClock

YEARS = 3 * 365 * DAY


class Now:
    """What the tests have the database say of the time: ahead by `ahead` seconds."""

    ahead = 0.0


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    told, real = Now(), recovery.database_time
    monkeypatch.setattr(recovery, "database_time", lambda tx: real(tx) + told.ahead)
    return told


def test_a_step_forward_keeps_everything_longer_and_a_step_back_ends_that(database: Database, now: Now) -> None:
    steady = SteadyTime(FakeClock())
    assert steady.extra_days(database) == 0
    now.ahead = YEARS
    assert steady.extra_days(database) >= 1095
    now.ahead = 0.0
    assert steady.extra_days(database) == 0
    now.ahead = -HOUR
    assert steady.extra_days(database) == 0


def test_time_that_passes_is_no_step(database: Database, now: Now) -> None:
    clock = FakeClock()
    steady = SteadyTime(clock)
    assert steady.extra_days(database) == 0
    for days in range(1, 5):
        clock.advance(30 * DAY)
        now.ahead = days * 30 * DAY + 5.0 * days  # clocks never agree to the second
        assert steady.extra_days(database) == 0


def test_a_clock_that_was_wrong_at_the_start_is_watched_for_a_day(database: Database, now: Now) -> None:
    with database.transaction() as tx:
        rollups.progress(tx, MINUTE)  # something was counted just now
    now.ahead = YEARS
    clock = FakeClock()
    steady = SteadyTime(clock)
    with database.transaction() as tx:
        steady.begin(tx)
    assert steady.extra_days(database) >= 1090
    clock.advance(GAP_SECONDS + 1)
    now.ahead += GAP_SECONDS + 1
    assert steady.extra_days(database) == 0


def test_roll_ups_do_not_delete_when_a_clock_was_set_forward(database: Database, now: Now) -> None:
    clock = FakeClock()
    steady = SteadyTime(clock)
    with database.transaction() as tx:
        steady.begin(tx)
        at = recovery.database_time(tx) // MINUTE * MINUTE
        rollups.add_samples(tx, [rollups.Sample(at, "host", "here", "cpu", 1, 1.0, 1.0, 1.0)])
    now.ahead = YEARS
    RollUp(database, clock, steady=steady).prune({MINUTE: 7, 600: 30, HOUR: 90, DAY: 1095})
    with database.transaction() as tx:
        assert tx.rows("SELECT count(*) FROM metric_samples", {}) == [(1,)]


def test_counting_goes_on_when_the_clock_was_set_back(database: Database) -> None:
    with database.transaction() as tx:
        ahead = recovery.database_time(tx) // DAY * DAY + YEARS
        for level in (MINUTE, 600, HOUR, DAY):
            rollups.progress(tx, level)
            rollups.note_progress(tx, level, ahead)
    RollUp(database).run(lambda: True)
    RollUp(database).run(lambda: True)
    with database.transaction() as tx:
        real = recovery.database_time(tx)
        reached = rollups.levels(tx)
    assert all(real - 2 * level - 900 < reached[level] <= real for level in reached), reached
    assert datetime.fromtimestamp(real) - datetime.fromtimestamp(reached[MINUTE]) < timedelta(minutes=15)
