"""Schedules every periodic duty of the worker, one line each, with APScheduler.

Duties that change tasks only ask the tick for them (P15), so that they happen in one place and only on the leader.
They go by elapsed time, independent of the clock (worker.duties.elapsed_time).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from taskyard.core.clock import Clock
from taskyard.worker.dispatch.dispatcher import ROSTER, SWEEP, Dispatcher
from taskyard.worker.duties.elapsed_time import ElapsedScheduler
from taskyard.worker.duties.outcomes import Duties
from taskyard.worker.learning.comparing import Comparing
from taskyard.worker.learning.learner import Learner
from taskyard.worker.maintenance.pool_sizes import PoolSizes
from taskyard.worker.monitor.monitor import Monitor
from taskyard.worker.webhooks.duties import WebhookDuties


class Chores(Protocol):
    """The worker's periodic chores apart from those of its dispatcher and its monitor."""

    def read_time(self) -> None: ...

    def ensure_partitions(self) -> None: ...

    def prune(self) -> None: ...

    def keep_servers(self) -> None: ...

    def write_reports(self) -> None: ...

    def apply_schedules(self) -> None: ...

    def submit_workflows(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Job:
    """A duty, its interval, and when it counts as late or hanging."""

    name: str
    every_seconds: float
    late_after_seconds: float
    run: Callable[[], object]


def jobs(
    chores: Chores,
    dispatcher: Dispatcher,
    monitor: Monitor,
    webhooks: WebhookDuties,
    pool_sizes: PoolSizes,
    learner: Learner,
    comparing: Comparing,
) -> list[Job]:
    """Returns the table. The alert rules are not in it: they are evaluated by their own thread, which watches these."""
    return [
        Job("read the roster: reconcile, reap, find orphans", 1, 20, lambda: dispatcher.ask(ROSTER)),
        Job("sweep a slice of open tasks", 1, 20, lambda: dispatcher.ask(SWEEP)),
        Job("read the database's time", 10, 120, chores.read_time),
        Job("create the audit log's partitions", 3600, 7500, chores.ensure_partitions),
        Job("delete data older than its retention", 3600, 14400, chores.prune),
        Job("keep the embedded servers running", 2, 60, chores.keep_servers),
        Job("copy the sizes of pools", 1, 60, pool_sizes.copy),
        Job("apply the schedules that are declared", 5, 120, chores.apply_schedules),
        Job("submit the workflows of schedules", 1, 120, chores.submit_workflows),
        Job("learn run times", 1, 60, learner.run),
        Job("compare placement policies", 60, 3600, comparing.run),
        Job("make the live snapshot", 1, 20, monitor.observe),
        Job("sample host, processes and servers", 10, 40, monitor.sample),
        Job("detect anomalies", 60, 600, monitor.detect),
        Job("roll up the audit log", 5, 600, monitor.roll_up),
        Job("write the reports that are due", 300, 3600, chores.write_reports),
        Job("tell webhooks", 1, 120, webhooks.run),
        Job("delete old deliveries of webhooks", 3600, 14400, webhooks.prune),
        Job("delete roll-ups older than their retention", 3600, 14400, monitor.prune),
    ]


def schedule(table: Sequence[Job], duties: Duties, clock: Clock) -> ElapsedScheduler:
    """Returns a scheduler with every duty of the table, not started; outcomes are recorded in `duties`."""
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a late duty is not logged: the next one is due soon
    scheduler = ElapsedScheduler(clock, len(table))
    for number, job in enumerate(table):
        run = duties.watched(job.name, job.run, job.late_after_seconds)
        # each at a moment of its own: all at once they kept the dispatcher from Python's lock for milliseconds
        scheduler.add_duty(job.name, job.every_seconds, run, job.every_seconds + number / len(table))
    return scheduler
