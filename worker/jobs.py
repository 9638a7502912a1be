"""Every periodic duty of the worker, one line each, owned by APScheduler.

Duties that change tasks only ask the tick for them (P15), so that they happen in one place and
only on the leader. All three of APScheduler's defaults that surprise are set for every job:
misfire grace, coalescing and the number of instances.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from worker.dispatcher import ROSTER, SWEEP

if TYPE_CHECKING:
    from worker.runtime import Worker


@dataclass(frozen=True, slots=True)
class Job:
    """A duty, how often it is due, and how late it may still begin."""

    name: str
    every_seconds: float
    misfire_grace_seconds: int
    run: Callable[[], object]


def jobs(worker: Worker) -> list[Job]:
    """The table."""
    return [
        Job("read the roster: reconcile, reap, find orphans", 1, 5, lambda: worker.dispatcher.ask(ROSTER)),
        Job("sweep a slice of open tasks", 1, 5, lambda: worker.dispatcher.ask(SWEEP)),
        Job("keep the dispatcher running", 1, 5, worker.keep_dispatcher),
        Job("make the audit log's partitions", 3600, 3600, worker.ensure_partitions),
        Job("remove what is older than its retention", 3600, 3600, worker.prune),
        Job("keep the embedded servers running", 2, 5, worker.keep_servers),
        Job("make the live state", 1, 1, worker.monitor.observe),
        Job("sample host, processes and servers", 10, 5, worker.monitor.sample),
        Job("look for anomalies", 60, 30, worker.monitor.detect),
        Job("judge the alert rules", worker.monitor.evaluate_every_seconds, 5, worker.monitor.evaluate),
        Job("roll up the audit log", 5, 5, worker.monitor.roll_up),
        Job("write the reports that are due", 300, 300, worker.write_reports),
        Job("forget roll-ups that are older than their retention", 3600, 3600, worker.monitor.prune),
    ]


def schedule(worker: Worker) -> BackgroundScheduler:
    """A scheduler with every duty, not started."""
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a late duty is no news: the next one is due soon
    table = jobs(worker)
    # a thread for each: duties that wait for somebody's lock must not keep others from asking the tick
    scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(len(table))}, timezone="UTC")
    for job in table:
        scheduler.add_job(
            job.run,
            "interval",
            seconds=job.every_seconds,
            id=job.name,
            misfire_grace_time=job.misfire_grace_seconds,
            coalesce=True,
            max_instances=1,
        )
    return scheduler
