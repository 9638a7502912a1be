"""Limits the database's growth: deletes data older than its retention, without slowing the tick."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import structlog

from taskyard.core.config import Settings
from taskyard.core.errors import Busy
from taskyard.core.postgres.database import Database, Transaction
from taskyard.core.postgres.store import recovery, retention, schedule_fires, workflows
from taskyard.worker.maintenance.steady_time import SteadyTime

BATCH = 1_000  # rows in a transaction
PAUSE_SECONDS = 0.02  # between transactions, to leave time for others
LOCK_TIMEOUT_MS = 200  # a tick may wait this long behind the dropping of a partition
ProgressCallback = Callable[[str, int], object]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Removed:
    """The numbers of deleted items by kind, or of those that would be deleted."""

    tasks: int = 0
    event_days: int = 0
    default_events: int = 0
    agents: int = 0
    workflows: int = 0
    fire_times: int = 0

    def __bool__(self) -> bool:
        return any(asdict(self).values())


class Retention:
    """Deletes by the settings; a retention of 0 days keeps for ever."""

    def __init__(self, settings: Settings, database: Database, steady: SteadyTime | None = None) -> None:
        """`steady` keeps everything longer while the database's clock is ahead; without it, that clock decides."""
        self._tasks_days = settings.retention_tasks_days
        self._events_days = settings.retention_events_days
        self._agents_days = settings.retention_agents_days
        self._database = database
        self._steady = steady

    def due(self) -> Removed:
        """Returns what a `prune` would delete now; raises Unavailable."""
        found, extra = Removed(), self._extra_days()
        with self._database.transaction() as tx:
            now = _now(tx)
            if self._tasks_days:
                found.tasks = retention.old_tasks(tx, self._tasks_days + extra, now)
                found.fire_times = schedule_fires.old_fires(tx, self._tasks_days + extra)
            if self._events_days:
                found.event_days = len(retention.old_partitions(tx, self._events_days + extra, now.date()))
                found.default_events = retention.old_default_events(tx, self._events_days + extra)
            if self._agents_days:
                found.agents = retention.old_agents(tx, self._agents_days + extra)
        return found

    def prune(self, actor: str, *, may_go_on: Callable[[], bool], progress: ProgressCallback) -> Removed:
        """Deletes old data in small transactions while `may_go_on()`; the rest is found the next time.

        `progress(what, count)` is called after each. Raises Unavailable.
        """
        removed, extra = Removed(), self._extra_days()
        if self._tasks_days:
            self._prune_tasks(self._tasks_days + extra, removed, may_go_on, progress)
            self._prune_fires(self._tasks_days + extra, removed, may_go_on, progress)
        if self._events_days:
            self._prune_events(self._events_days + extra, removed, may_go_on, progress)
        if removed or self._agents_days:
            with self._database.transaction() as tx:
                if self._agents_days:
                    removed.agents = retention.prune_agents(tx, self._agents_days + extra)
                if removed:
                    retention.note(tx, actor, asdict(removed))
        return removed

    def _extra_days(self) -> int:
        return self._steady.extra_days(self._database) if self._steady is not None else 0

    def _prune_tasks(
        self, days: int, removed: Removed, may_go_on: Callable[[], bool], progress: ProgressCallback
    ) -> None:
        after = None
        while may_go_on():
            with self._database.transaction() as tx:
                count, after = retention.prune_tasks(tx, days, _now(tx), after, BATCH)
            removed.tasks += count
            progress("tasks", removed.tasks)
            if after is None:
                break
            time.sleep(PAUSE_SECONDS)
        while may_go_on():  # what has no tasks any more
            with self._database.transaction() as tx:
                count = workflows.prune(tx, days, BATCH)
            removed.workflows += count
            if count < BATCH:
                return
            time.sleep(PAUSE_SECONDS)

    def _prune_fires(
        self, days: int, removed: Removed, may_go_on: Callable[[], bool], progress: ProgressCallback
    ) -> None:
        while may_go_on():
            with self._database.transaction() as tx:
                count = schedule_fires.prune(tx, days, BATCH)
            removed.fire_times += count
            if count < BATCH:
                return
            progress("fire_times", removed.fire_times)
            time.sleep(PAUSE_SECONDS)

    def _prune_events(
        self, days: int, removed: Removed, may_go_on: Callable[[], bool], progress: ProgressCallback
    ) -> None:
        with self._database.transaction() as tx:
            names = retention.old_partitions(tx, days, _now(tx).date())
        for name in names:
            if not may_go_on():
                return
            try:
                with self._database.transaction() as tx:
                    retention.drop_partition(tx, name, LOCK_TIMEOUT_MS)
            except Busy:
                log.info("retention.busy", partition=name, hint="the audit log is in use: retried next time")
                continue
            removed.event_days += 1
            progress("event_days", removed.event_days)
        while may_go_on():
            with self._database.transaction() as tx:
                count = retention.prune_default_events(tx, days, BATCH)
            removed.default_events += count
            if count < BATCH:
                return
            progress("default_events", removed.default_events)
            time.sleep(PAUSE_SECONDS)


def _now(tx: Transaction) -> datetime:
    """Returns the database's time, which decides."""
    return datetime.fromtimestamp(recovery.database_time(tx), UTC)
