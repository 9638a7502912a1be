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
from worker.elapsed import ElapsedScheduler

if TYPE_CHECKING:
    from worker.runtime import Worker


@dataclass(frozen=True, slots=True)
class Job:
    """A duty, and how often it is due."""

    name: str
    every_seconds: float
    run: Callable[[], object]


def jobs(worker: Worker) -> list[Job]:
    """The table."""
    return [
        Job("read the roster: reconcile, reap, find orphans", 1, lambda: worker.dispatcher.ask(ROSTER)),
        Job("sweep a slice of open tasks", 1, lambda: worker.dispatcher.ask(SWEEP)),
        Job("keep the dispatcher running", 1, worker.keep_dispatcher),
        Job("read the database's time", 10, worker.read_time),
        Job("make the audit log's partitions", 3600, worker.ensure_partitions),
        Job("remove what is older than its retention", 3600, worker.prune),
        Job("keep the embedded servers running", 2, worker.keep_servers),
        Job("make the live state", 1, worker.monitor.observe),
        Job("sample host, processes and servers", 10, worker.monitor.sample),
        Job("look for anomalies", 60, worker.monitor.detect),
        Job("judge the alert rules", worker.monitor.evaluate_every_seconds, worker.monitor.evaluate),
        Job("roll up the audit log", 5, worker.monitor.roll_up),
        Job("write the reports that are due", 300, worker.write_reports),
        Job("forget roll-ups that are older than their retention", 3600, worker.monitor.prune),
    ]


def schedule(worker: Worker, clock: Clock) -> ElapsedScheduler:
    """A scheduler with every duty, not started."""
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a late duty is no news: the next one is due soon
    scheduler = ElapsedScheduler(clock)
    for job in jobs(worker):
        scheduler.add_duty(job.name, job.every_seconds, job.run)
    return scheduler
