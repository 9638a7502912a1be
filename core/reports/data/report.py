"""Defines a performance report as data: a period beside the period directly before it.

Shares are from 0 to 1, durations in seconds, times aware and in UTC. None stands for unknown values: the success
rate of no tasks, the utilisation of an agent without samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import orjson

from taskyard.core.reports.data.outages import Outage
from taskyard.core.reports.data.targets import TargetLine
from taskyard.core.telemetry.histogram import Histogram

TARGET_SECONDS = 0.1  # a task that waited no longer started in time
Dimension = Literal["type", "queue"]
Measure = Literal["failures", "run", "wait"]


@dataclass(frozen=True, slots=True)
class Scope:
    """The scope of a report; None: all."""

    queue: str | None = None
    type: str | None = None

    @property
    def is_all(self) -> bool:
        return self.queue is None and self.type is None


@dataclass(frozen=True, slots=True)
class Times:
    """Durations in seconds: their number, mean, and percentiles to 5 % (core.telemetry.histogram)."""

    count: int
    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, histogram: Histogram) -> Times:
        p50, p95, p99 = (histogram.percentile(percent) for percent in (50, 95, 99))
        return cls(histogram.count, histogram.mean, p50, p95, p99)


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of tasks, and their durations.

    `failed` counts ends of tasks in failure, again after a user's retry;
    `retried` counts attempts that failed and were followed by another.
    `success_rate` is the share of completed tasks among those that completed or failed. `in_time` is the share of
    starts with a queue latency of at most TARGET_SECONDS.
    """

    submitted: int
    completed: int
    failed: int
    retried: int
    timed_out: int
    cancelled: int
    cpu_seconds: float
    success_rate: float | None
    in_time: float | None
    wait: Times
    run: Times
    total: Times

    @property
    def failed_attempts(self) -> int:
        return self.failed + self.retried

    @property
    def is_empty(self) -> bool:
        return not (self.submitted or self.completed or self.failed or self.retried or self.cancelled)


@dataclass(frozen=True, slots=True)
class Period:
    """The totals of a period.

    `availability` is the share of its past minutes in which a leading worker was seen working, counted from the
    first such minute ever. `utilisation` is the mean share of all agents' slots that were busy, whatever the scope.
    """

    since: datetime
    until: datetime
    counts: Counts
    completed_per_minute: float
    availability: float | None
    utilisation: float | None

    @property
    def seconds(self) -> float:
        return (self.until - self.since).total_seconds()


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a period that began at `at` and lasted `seconds`."""

    at: datetime
    seconds: float
    counts: Counts
    utilisation: float | None


@dataclass(frozen=True, slots=True)
class TypeLine:
    """The figures of one task type, in the period and in the one before."""

    type: str
    counts: Counts
    before: Counts


@dataclass(frozen=True, slots=True)
class QueueLine:
    """The figures of one queue, in the period and in the one before."""

    queue: str
    counts: Counts
    before: Counts


@dataclass(frozen=True, slots=True)
class Mover:
    """A type or queue with its failed attempts, or the p95 of a duration in seconds, of both periods."""

    dimension: Dimension
    name: str
    now: float
    before: float


@dataclass(frozen=True, slots=True)
class AlertLine:
    """An alert rule about one subject: how often it fired, and its `seconds` within the period.

    `kind` is the rule's, empty if it is unknown. `is_open` says whether it still fired at the period's end.
    """

    rule: str
    kind: str
    subject: str
    severity: str
    count: int
    seconds: float
    first_at: datetime
    is_open: bool


@dataclass(frozen=True, slots=True)
class AgentLine:
    """The figures of one agent, by its name, with tasks of the scope.

    `success_rate` is of attempts. `utilisation` is the mean share of its slots that tasks of the scope kept busy
    while it was present.
    """

    agent: str
    completed: int
    failed_attempts: int
    timed_out: int
    run_seconds: float
    mean_run: float | None
    success_rate: float | None
    slots: int | None
    utilisation: float | None


@dataclass(frozen=True, slots=True)
class FailureLine:
    """An error group; `first_seen` and `last_seen` cover all time."""

    fingerprint: str
    type: str
    error_class: str
    message: str
    attempts: int
    attempts_before: int
    tasks: int
    first_seen: datetime
    last_seen: datetime
    is_muted: bool


@dataclass(frozen=True, slots=True)
class Capacity:
    """The work done, and how much more would be possible.

    The peak is the busiest unit of `peak_unit_seconds` that is on record: a minute of the last 8 days, as long as
    minutes are kept, or a longer unit before. `full_per_minute` is an estimate: the tasks completed at full
    utilisation with the same mix of tasks, from the minutes in which a leader was seen working; None for a report
    on a part of all tasks.
    """

    peak_per_minute: float | None
    peak_at: datetime | None
    peak_unit_seconds: int
    mean_per_minute: float
    headroom: float | None
    full_per_minute: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """The report. `steps` cover the period without gaps; types, queues, agents and failures have the busiest first.

    `installation` is the name of the installation, if it has one. `movers` are what changed most, by measure.
    """

    installation: str
    scope: Scope
    made_at: datetime
    now: Period
    before: Period
    step_seconds: int
    unit_seconds: int
    steps: tuple[Step, ...]
    targets: tuple[TargetLine, ...]
    movers: Mapping[Measure, tuple[Mover, ...]]
    alerts: tuple[AlertLine, ...]
    alerts_left_out: int
    outages: tuple[Outage, ...]
    queues: tuple[QueueLine, ...]
    types: tuple[TypeLine, ...]
    agents: tuple[AgentLine, ...]
    failures: tuple[FailureLine, ...]
    failures_left_out: int
    error_classes: tuple[tuple[str, int, int], ...]  # class, failed attempts, those before
    capacity: Capacity

    @property
    def is_empty(self) -> bool:
        """Returns True if nothing happened in the period."""
        return self.now.counts.is_empty

    def as_json(self) -> bytes:
        """Returns the report as a JSON document, times in ISO 8601."""
        return orjson.dumps(self, option=orjson.OPT_INDENT_2)


def change(now: float | None, before: float | None) -> float | None:
    """Returns the growth from before to now as a share of before; None if before is 0."""
    return (now - before) / before if now is not None and before else None


def slowest(lines: tuple[TypeLine, ...]) -> list[TypeLine]:
    """Returns the types that ran, longest p95 first."""
    ran = [line for line in lines if line.counts.run.p95 is not None]
    return sorted(ran, key=lambda line: (-(line.counts.run.p95 or 0.0), line.type))


def most_failing(lines: tuple[TypeLine, ...]) -> list[TypeLine]:
    """Returns the types with failed attempts, most first."""
    failing = [line for line in lines if line.counts.failed_attempts]
    return sorted(failing, key=lambda line: (-line.counts.failed_attempts, line.type))
