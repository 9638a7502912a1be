"""What alert rules are judged by. A method that cannot know (yet) answers None: nothing fires or resolves then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from taskyard.core.postgres.locks import LockWait
from taskyard.core.telemetry.histogram import Histogram
from taskyard.core.telemetry.live_snapshot import LiveSnapshot, ServerLive


@dataclass(frozen=True, slots=True)
class AttemptCounts:
    """Attempts of one type that ended: `failed` ones were retried or not, `retried` of them will run again."""

    succeeded: int = 0
    failed: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True)
class HostUsage:
    """How full a host is; fractions from 0 to 1. `disks` by mount point or folder."""

    disks: Mapping[str, float]
    memory: float


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A measure ("duration", "failure rate", "arrival rate") of one type that is unlike its own past.

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
    """What this worker knows of itself: its dispatcher, its pool's agents and its duties by name, its dashboard."""

    stalled_seconds: float
    waits_for: str
    unwell_agents: Mapping[str, str]
    dashboard_problem: str | None
    late_duties: Mapping[str, str]


class Signals(Protocol):
    """Everything that can be asked at one evaluation. Windows end now."""

    @property
    def live(self) -> LiveSnapshot | None:
        """The live state; None while this worker does not lead."""
        ...

    @property
    def is_led(self) -> bool | None:
        """Whether any worker leads."""
        ...

    @property
    def own(self) -> OwnState | None:
        """This worker's own state."""
        ...

    def servers(self) -> Sequence[ServerLive] | None:
        """PostgreSQL and Redis as this worker reaches them, whether it leads or not."""
        ...

    def lock_waits(self) -> Sequence[LockWait] | None:
        """What keeps the leader's tick from tables and rows now."""
        ...

    def attempts(self, window_seconds: float) -> Mapping[str, AttemptCounts] | None:
        """By type."""
        ...

    def waits(self, window_seconds: float) -> Mapping[str, Histogram] | None:
        """How long the attempts that began waited after they were ready, by type."""
        ...

    def depths(self, window_seconds: float) -> Mapping[str, tuple[int, int]] | None:
        """(waiting tasks at the window's start, now), by queue."""
        ...

    def agents_lost(self, window_seconds: float) -> Mapping[str, int] | None:
        """How many boots of each agent name were lost."""
        ...

    def agents_started(self, window_seconds: float) -> Mapping[str, int] | None:
        """How many boots of each agent name said hello."""
        ...

    def hosts(self) -> Mapping[str, HostUsage] | None:
        """The usage of each host that is sampled."""
        ...

    def silent_types(self, expected_hours: int) -> Mapping[str, float] | None:
        """Seconds since the last submission, of each type that was submitted in each of the last `expected_hours`."""
        ...

    def anomalies(self) -> Sequence[Anomaly] | None:
        """What is unlike its own past now."""
        ...
