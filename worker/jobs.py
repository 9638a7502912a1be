"""Every periodic duty of the worker, one line each, owned by APScheduler.

Duties that change tasks only ask the tick for them (P15), so that they happen in one place and
only on the leader. They go by elapsed time, whatever becomes of the clock (worker.elapsed).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.clock import Clock
from worker.dispatcher import ROSTER, SWEEP
from worker.duties import Duties
from worker.elapsed import ElapsedScheduler

if TYPE_CHECKING:
    from worker.runtime import Worker


@dataclass(frozen=True, slots=True)
class Job:
    """A duty, how often it is due, and when it counts as late or hanging."""

    name: str
    every_seconds: float
    late_after_seconds: float
    run: Callable[[], object]


def jobs(worker: Worker) -> list[Job]:
    """The table. The alert rules are not in it: they are judged by a thread of their own, which watches these."""
    return [
        Job("read the roster: reconcile, reap, find orphans", 1, 20, lambda: worker.dispatcher.ask(ROSTER)),
        Job("sweep a slice of open tasks", 1, 20, lambda: worker.dispatcher.ask(SWEEP)),
        Job("read the database's time", 10, 120, worker.read_time),
        Job("make the audit log's partitions", 3600, 7500, worker.ensure_partitions),
        Job("remove what is older than its retention", 3600, 14400, worker.prune),
        Job("keep the embedded servers running", 2, 60, worker.keep_servers),
        Job("make the live state", 1, 20, worker.monitor.observe),
        Job("sample host, processes and servers", 10, 40, worker.monitor.sample),
        Job("look for anomalies", 60, 600, worker.monitor.detect),
        Job("roll up the audit log", 5, 600, worker.monitor.roll_up),
        Job("write the reports that are due", 300, 3600, worker.write_reports),
        Job("forget roll-ups that are older than their retention", 3600, 14400, worker.monitor.prune),
    ]


def schedule(worker: Worker, duties: Duties, clock: Clock) -> ElapsedScheduler:
    """A scheduler with every duty, not started; what becomes of them is told to `duties`."""
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a late duty is no news: the next one is due soon
    table = jobs(worker)
    scheduler = ElapsedScheduler(clock, len(table))
    for job in table:
        scheduler.add_duty(job.name, job.every_seconds, duties.watched(job.name, job.run, job.late_after_seconds))
    return scheduler
