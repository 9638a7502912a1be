"""Defines the signals that alert rules evaluate.

A method that does not know (yet) returns None: nothing fires or resolves then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from taskyard.core.postgres.locks import LockWait
from taskyard.core.telemetry.histogram import Histogram
from taskyard.core.telemetry.live_snapshot import LiveSnapshot, ServerLive


@dataclass(frozen=True, slots=True)
class AttemptCounts:
    """Ended attempts of one type: `failed` ones were retried or not, `retried` of them will run again."""

    succeeded: int = 0
    failed: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True)
class HostUsage:
    """The usage of a host; fractions from 0 to 1. `disks` by mount point or folder."""

    disks: Mapping[str, float]
    memory: float


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A measure ("duration", "failure rate", "arrival rate") of one type that differs from its own past.

    `score` is the robust z-score (see core/telemetry/anomaly.py); `value` and `expected` are in `unit`.
    """

    type: str
    measure: str
    score: float
    value: float
    expected: float
    unit: str


@dataclass(frozen=True, slots=True)
class OwnState:
    """This worker's own state: its dispatcher, its pool's agents and its duties by name, its dashboard and its API."""

    stalled_seconds: float
    waits_for: str
    unwell_agents: Mapping[str, str]
    dashboard_problem: str | None
    api_problem: str | None
    late_duties: Mapping[str, str]


class Signals(Protocol):
    """The signals available at one evaluation. Windows end now."""

    @property
    def live(self) -> LiveSnapshot | None:
        """Returns the live snapshot; None while this worker does not lead."""
        ...

    @property
    def is_led(self) -> bool | None:
        """Returns True if any worker leads."""
        ...

    @property
    def own(self) -> OwnState | None:
        """Returns this worker's own state."""
        ...

    def servers(self) -> Sequence[ServerLive] | None:
        """Returns PostgreSQL and Redis as this worker reaches them, whether it leads or not."""
        ...

    def lock_waits(self) -> Sequence[LockWait] | None:
        """Returns the locks that the leader's tick waits for now."""
        ...

    def attempts(self, window_seconds: float) -> Mapping[str, AttemptCounts] | None:
        """Returns ended attempts by type."""
        ...

    def waits(self, window_seconds: float) -> Mapping[str, Histogram] | None:
        """Returns the queue latencies of started attempts, by type."""
        ...

    def depths(self, window_seconds: float) -> Mapping[str, tuple[int, int]] | None:
        """Returns (ready tasks at the window's start, now), by queue."""
        ...

    def agents_lost(self, window_seconds: float) -> Mapping[str, int] | None:
        """Returns the number of lost boots of each agent name."""
        ...

    def agents_started(self, window_seconds: float) -> Mapping[str, int] | None:
        """Returns the number of registered boots of each agent name."""
        ...

    def hosts(self) -> Mapping[str, HostUsage] | None:
        """Returns the usage of each sampled host."""
        ...

    def silent_types(self, expected_hours: int) -> Mapping[str, float] | None:
        """Returns the seconds since the last submission of each type submitted in each of the last `expected_hours`."""
        ...

    def anomalies(self) -> Sequence[Anomaly] | None:
        """Returns the current anomalies."""
        ...
