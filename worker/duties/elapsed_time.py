"""Runs APScheduler by elapsed time: changes of the wall clock affect no duty.

APScheduler plans in wall time: set back by an hour it runs nothing for that hour, set forward by years it lists
every run that it missed. Here its times come from the monotonic clock, as dates since an arbitrary beginning, and a
duty that missed any number of runs runs once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.base import MaxInstancesReachedError
from apscheduler.triggers.base import BaseTrigger

from taskyard.core.clock import Clock
from taskyard.worker.duties.scheduler import SupervisedScheduler

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


class Every(BaseTrigger):  # type: ignore[misc]  # APScheduler has no annotations
    """A trigger with a fixed interval in seconds, on the scheduler's elapsed time; missed runs are skipped."""

    def __init__(self, seconds: float, clock: Clock, first_after_seconds: float | None = None) -> None:
        self._interval = timedelta(seconds=seconds)
        self._first = self._interval if first_after_seconds is None else timedelta(seconds=first_after_seconds)
        self._clock = clock

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Returns the run after `previous_fire_time` if it is in the future, else one interval from now. `now` is
        not used.
        """
        current = elapsed(self._clock)
        due = current + self._first if previous_fire_time is None else previous_fire_time + self._interval
        return due if due > current else current + self._interval


class ElapsedScheduler(SupervisedScheduler):
    """Runs its jobs, all with an `Every` trigger, by a clock's monotonic time."""

    def __init__(self, clock: Clock, duties: int = 10, **options: Any) -> None:
        """`duties` is the number of duties that may run at the same time."""
        self._clock = clock
        super().__init__(duties, **options)

    def add_duty(self, name: str, every_seconds: float, run: Any, first_after_seconds: float | None = None) -> None:
        """Adds a duty that runs at most once at a time, first after one interval unless it is said."""
        # no grace: how late it may begin would be measured by the wall clock
        self.add_job(
            run,
            Every(every_seconds, self._clock, first_after_seconds),
            id=name,
            misfire_grace_time=None,
            max_instances=1,
        )

    def _process_jobs(self) -> float | None:
        """Starts what is due; returns the seconds until the next run."""
        now = elapsed(self._clock)
        with self._jobstores_lock:
            for alias, store in self._jobstores.items():
                for job in store.get_due_jobs(now):
                    try:
                        self._lookup_executor(job.executor).submit_job(job, [job.next_run_time])
                    except MaxInstancesReachedError:
                        self._logger.debug("%s of %s still runs", job.id, alias)
                    except Exception:  # one duty that can't be started must not stop the others
                        self._logger.exception("%s can't be started", job.id)
                    job._modify(next_run_time=job.trigger.get_next_fire_time(job.next_run_time, now))
                    store.update_job(job)
            times = [time for store in self._jobstores.values() if (time := store.get_next_run_time()) is not None]
        if not times:
            return None
        return float(max(0.0, (min(times) - elapsed(self._clock)).total_seconds()))


def elapsed(clock: Clock) -> datetime:
    """Returns the monotonic clock as a date, of which only differences mean anything."""
    return BEGINNING + timedelta(seconds=clock.monotonic())
