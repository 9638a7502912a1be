"""Duties go by elapsed time: whatever the wall clock says, and however many beats were missed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.schedulers.base import STATE_STOPPED

from taskyard.core.clock import DatabaseClock
from taskyard.worker.duties.elapsed_time import BEGINNING, ElapsedScheduler, Every, elapsed
from tests.clock import FakeClock
from tests.servers import wait_until

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class TwoClocks(FakeClock):
    """A wall clock that can be set, beside a monotonic one that only advances."""

    def set_wall(self, to: datetime) -> None:
        self._now = to


@pytest.fixture
def clock() -> TwoClocks:
    return TwoClocks(EPOCH)


@pytest.fixture
def scheduler(clock: TwoClocks) -> Iterator[ElapsedScheduler]:
    scheduler = ElapsedScheduler(clock)
    yield scheduler
    if scheduler.state != STATE_STOPPED:
        scheduler.shutdown()


def is_idle(scheduler: ElapsedScheduler, but_for: str = "") -> bool:
    """Whether all duties but one have ended, and the scheduler has set their next times.

    One that has not ended is not started again at its next time, and a next time is reckoned from the clock as it
    is when the scheduler comes to it, after the duty may have begun.
    """
    scheduler.get_jobs()  # waits for the lock under which the scheduler looks after what is due
    instances = scheduler._lookup_executor("default")._instances
    return not sum(count for name, count in instances.items() if name != but_for)


def test_the_first_beat_may_be_at_a_moment_of_its_own(clock: TwoClocks) -> None:
    every = Every(10, clock, first_after_seconds=10.5)
    first = every.get_next_fire_time(None, EPOCH)
    assert first == elapsed(clock) + timedelta(seconds=10.5)
    clock.advance(10.5)
    assert every.get_next_fire_time(first, EPOCH) == first + timedelta(seconds=10)


def test_the_next_beat_keeps_the_rhythm_and_leaves_missed_ones_out(clock: TwoClocks) -> None:
    every = Every(10, clock)
    first = every.get_next_fire_time(None, EPOCH)
    assert first == elapsed(clock) + timedelta(seconds=10)
    clock.advance(12)
    assert every.get_next_fire_time(first, EPOCH) == first + timedelta(seconds=10)
    clock.advance(1e8)
    assert every.get_next_fire_time(first, EPOCH) == elapsed(clock) + timedelta(seconds=10)


@pytest.mark.parametrize("wall", [EPOCH - timedelta(hours=1), EPOCH + timedelta(days=1095), BEGINNING])
def test_a_wall_clock_that_is_set_moves_no_duty(wall: datetime, clock: TwoClocks, scheduler: ElapsedScheduler) -> None:
    ran: list[float] = []
    scheduler.add_duty("count", 1, lambda: ran.append(clock.monotonic()))
    scheduler.start()
    for number in range(1, 6):
        if number == 3:
            clock.set_wall(wall)
        clock.advance(1.0)
        scheduler.wakeup()
        wait_until(lambda number=number: len(ran) == number and is_idle(scheduler))  # type: ignore[misc]
    assert len(ran) == 5


def test_a_million_missed_beats_run_once_and_cost_no_memory(clock: TwoClocks, scheduler: ElapsedScheduler) -> None:
    ran: list[float] = []
    scheduler.add_duty("count", 1, lambda: ran.append(clock.monotonic()))
    scheduler.start()
    clock.advance(1.0)
    scheduler.wakeup()
    wait_until(lambda: len(ran) == 1 and is_idle(scheduler))
    tracemalloc.start()
    clock.advance(94_608_000.0)  # three years
    scheduler.wakeup()
    wait_until(lambda: len(ran) == 2 and is_idle(scheduler))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    clock.advance(0.5)
    scheduler.wakeup()
    clock.advance(0.5)
    scheduler.wakeup()
    wait_until(lambda: len(ran) == 3 and is_idle(scheduler))


def test_a_duty_that_still_runs_is_not_started_again_and_holds_up_no_other(
    clock: TwoClocks, scheduler: ElapsedScheduler
) -> None:
    import threading

    gate, ran, others = threading.Event(), [], []
    scheduler.add_duty("slow", 1, lambda: (ran.append(1), gate.wait(10)))
    scheduler.add_duty("other", 1, lambda: others.append(1))
    scheduler.start()
    for number in range(1, 4):
        clock.advance(1.0)
        scheduler.wakeup()
        wait_until(lambda number=number: len(others) == number and is_idle(scheduler, but_for="slow"))  # type: ignore[misc]
    assert len(ran) == 1
    gate.set()


def test_a_duty_that_fails_is_run_again(clock: TwoClocks, scheduler: ElapsedScheduler) -> None:
    ran: list[int] = []

    def fail() -> None:
        ran.append(1)
        raise RuntimeError("a defect")

    scheduler.add_duty("bad", 1, fail)
    scheduler.start()
    for number in (1, 2):
        clock.advance(1.0)
        scheduler.wakeup()
        wait_until(lambda number=number: len(ran) == number and is_idle(scheduler))  # type: ignore[misc]


def test_the_database_s_time_goes_on_by_elapsed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, mine = DatabaseClock(), [50.0]
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 5, "this host's, until the database's is known"
    monkeypatch.setattr(clock, "monotonic", lambda: mine[0])
    clock.note(EPOCH.timestamp())
    mine[0] += 90.0
    assert clock.now() == EPOCH + timedelta(seconds=90)
