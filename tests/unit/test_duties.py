"""Duties and loops that fail, hang or do not run any more are seen, by elapsed time."""

from __future__ import annotations

import pytest

from taskyard.worker.dispatch.progress import STEADY_SECONDS, LoopProgress
from taskyard.worker.duties.outcomes import Duties
from tests.clock import FakeClock


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError(), SystemExit(2)])
def test_a_duty_that_fails_is_counted_and_can_run_again(error: BaseException) -> None:
    duties, errors = Duties(FakeClock().monotonic), [error]

    def run() -> None:
        if errors:
            raise errors.pop()

    duty = duties.watched("demo", run, 20)
    duty()
    assert duties.failures["demo"] == 1
    assert type(error).__name__ in duties.failing()["demo"]
    duty()
    assert duties.failing() == {}


def test_a_duty_that_hangs_and_one_that_nobody_runs_are_late() -> None:
    clock = FakeClock()
    duties, seen = Duties(clock.monotonic), []

    def hang() -> None:
        clock.advance(21)
        seen.append((duties.late(), duties.running_seconds()["demo"]))

    duty = duties.watched("demo", hang, 20)
    duty()
    assert seen == [({"demo": "running for 21 s"}, 21.0)]
    assert duties.late() == {}
    clock.advance(25)
    assert duties.late() == {"demo": "no run for 25 s"}


def test_rounds_between_failures_are_no_progress() -> None:
    """A term that ends right after its first tick, again and again, schedules nothing."""
    clock = FakeClock()
    progress = LoopProgress(clock.monotonic)
    for _ in range(30):
        progress.complete()
        clock.advance(0.5)
        progress.begin("PostgreSQL")
        progress.fail("a defect")
        clock.advance(0.5)
    assert progress.stalled_seconds > 20
    assert progress.waits_for == "PostgreSQL: a defect"
    clock.advance(STEADY_SECONDS)
    progress.complete()
    assert progress.stalled_seconds == 0
    assert progress.waits_for == "PostgreSQL"
