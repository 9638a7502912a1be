"""Provides the signals of one evaluation, from the observer's memory and from PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taskyard.core.alerts.signals import Anomaly, AttemptCounts, HostUsage, OwnState
from taskyard.core.clock import Clock
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.locks import LockWait
from taskyard.core.postgres.store import live_counts, tasks
from taskyard.core.postgres.store.rollups import HOUR
from taskyard.core.telemetry.histogram import Histogram
from taskyard.core.telemetry.live_snapshot import LiveSnapshot, ServerLive
from taskyard.worker.monitor.observer import Observer
from taskyard.worker.monitor.sampler import Sampler


class Observed:
    """See core.alerts.signals.Signals. Values from PostgreSQL are None while it is away."""

    def __init__(
        self,
        observer: Observer,
        sampler: Sampler,
        database: Database,
        clock: Clock,
        host: str,
        anomalies: Sequence[Anomaly] | None,
        own: OwnState | None = None,
    ) -> None:
        self.own = own
        self._recent = observer.recent
        self._live = observer.live
        self._servers = observer.servers
        self._lock_waits = observer.lock_waits
        self._sampler = sampler
        self._database = database
        self._now = clock.monotonic()
        self._host = host
        self._anomalies = anomalies

    @property
    def live(self) -> LiveSnapshot | None:
        return self._live

    @property
    def is_led(self) -> bool | None:
        if self._live is not None:
            return True
        try:
            with self._database.transaction() as tx:
                return tasks.is_led(tx)
        except Unavailable:
            return None  # a server that is down has a rule of its own

    def servers(self) -> Sequence[ServerLive] | None:
        return self._servers

    def lock_waits(self) -> Sequence[LockWait] | None:
        return self._lock_waits

    def attempts(self, window_seconds: float) -> Mapping[str, AttemptCounts] | None:
        if not self._knows(window_seconds):
            return None
        found = self._recent.by_type(window_seconds, self._now)
        return {name: AttemptCounts(c.succeeded, c.failed, c.retried) for name, c in found.items()}

    def waits(self, window_seconds: float) -> Mapping[str, Histogram] | None:
        if not self._knows(window_seconds):
            return None
        return {name: counts.wait for name, counts in self._recent.by_type(window_seconds, self._now).items()}

    def depths(self, window_seconds: float) -> Mapping[str, tuple[int, int]] | None:
        return self._recent.depths(window_seconds, self._now) if self._live is not None else None

    def agents_lost(self, window_seconds: float) -> Mapping[str, int] | None:
        """Returns what this leader saw; the time before it led is unknown, and no agent counts as lost then."""
        return None if self._live is None else self._recent.agent_changes(window_seconds, self._now, lost=True)

    def agents_started(self, window_seconds: float) -> Mapping[str, int] | None:
        return None if self._live is None else self._recent.agent_changes(window_seconds, self._now, lost=False)

    def hosts(self) -> Mapping[str, HostUsage] | None:
        return None if self._sampler.usage is None else {self._host: self._sampler.usage}

    def silent_types(self, expected_hours: int) -> Mapping[str, float] | None:
        """Counts whole hours before the current one; the current hour alone is not conclusive."""
        if self._live is None:
            return None
        now = self._live.at
        hour = now // HOUR * HOUR
        try:
            with self._database.transaction() as tx:
                before = live_counts.last_submissions(tx, hour - expected_hours * HOUR, hour)
        except Unavailable:
            return None
        return {
            name: max(0.0, now - last)
            for name, (last, hours) in before.items()
            if last is not None and hours >= expected_hours
        }

    def anomalies(self) -> Sequence[Anomaly] | None:
        return self._anomalies

    def _knows(self, window_seconds: float) -> bool:
        return self._live is not None and self._recent.covers(window_seconds, self._now)
