"""Reads counts and percentiles over any time range from the roll-ups of the audit log.

A range is read from the coarsest level that fits its step as far as that is rolled up, and from finer levels after
that. The last minute is as of its last roll-up, some seconds ago.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import rollups
from taskyard.core.postgres.store.rollups import DAY, HOUR, LEVELS, MINUTE
from taskyard.core.telemetry.anomaly import Slot
from taskyard.core.telemetry.histogram import Histogram

STEPS_SECONDS = (MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 6 * HOUR, DAY)
STEPS_WANTED = 150


@dataclass(slots=True)
class Point:
    """The figures of one step that began at `at` (epoch seconds).

    `failed` counts ends of tasks in failure, again after a user's retry;
    `retried` counts attempts that failed and were followed by another,
    and `failures` both by error class. Waiting is from ready to started, `total` from submission to end.
    """

    at: float
    submitted: int = 0
    completed: int = 0
    failed: int = 0
    retried: int = 0
    timed_out: int = 0
    cancelled: int = 0
    cpu_seconds: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)
    wait: Histogram = field(default_factory=Histogram)
    run: Histogram = field(default_factory=Histogram)
    total: Histogram = field(default_factory=Histogram)

    def add(self, other: Point) -> None:
        """Adds another step's figures."""
        for name in ("submitted", "completed", "failed", "retried", "timed_out", "cancelled", "cpu_seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for error_class, count in other.failures.items():
            self.failures[error_class] = self.failures.get(error_class, 0) + count
        for name in ("wait", "run", "total"):
            getattr(self, name).merge(getattr(other, name))


@dataclass(frozen=True, slots=True)
class Filter:
    """Narrows the figures; None means all."""

    queue: str | None = None
    type: str | None = None
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Reliability:
    """The results of one agent with one type. `mean_seconds` is its mean run time, None if nothing ran."""

    agent: str
    type: str
    completed: int
    failed: int
    mean_seconds: float | None

    @property
    def success_rate(self) -> float:
        """Returns the share of attempts that succeeded."""
        ended = self.completed + self.failed
        return self.completed / ended if ended else 1.0

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "success_rate": self.success_rate}


def step_for(seconds: float) -> int:
    """Returns the step in seconds for a range of this length: about STEPS_WANTED points."""
    return next((step for step in STEPS_SECONDS if seconds / step <= STEPS_WANTED), DAY)


def begin_of(since: float) -> float:
    """Returns the first whole minute of a range (epoch seconds): what is counted from there on is not older.

    Figures of a range begin there; its charts begin with the whole step that has it. Of ranges that are longer than
    minutes are kept, the part before the first unit that is kept is missing.
    """
    return float(math.ceil(since / MINUTE) * MINUTE)


def spans(since: float, until: float, step_seconds: int, rolled: Mapping[int, float]) -> list[tuple[int, float, float]]:
    """Returns (level, since, until) spans that cover a range (epoch seconds) once, coarse levels first (pure).

    The range begins with a whole step. A coarse level covers only its own whole units, and nothing after the time up
    to which it is `rolled` up.
    """
    return covering(math.floor(since / step_seconds) * step_seconds, until, step_seconds, rolled)


def covering(
    since: float, until: float, step_seconds: int, rolled: Mapping[int, float]
) -> list[tuple[int, float, float]]:
    """Returns the same for a range that begins at `since`, a whole minute, possibly within a step (pure)."""
    for level in sorted(LEVELS, reverse=True):
        if level == MINUTE:
            break
        first = math.ceil(since / level) * level
        last = math.floor(min(rolled.get(level, 0.0), until) / level) * level
        if level <= step_seconds and first < last:
            below = max(span for span in LEVELS if span < level)
            found = [(level, float(first), float(last))]
            return [*found, *covering(since, first, below, rolled), *covering(last, until, below, rolled)]
    return [(MINUTE, float(since), float(until))] if since < until else []


def series(
    tx: Transaction,
    since: float,
    until: float,
    step_seconds: int,
    only: Filter = Filter(),
    *,
    percentiles: bool = True,
    whole_steps: bool = True,
    starts: Sequence[float] | None = None,
) -> list[Point]:
    """Returns the steps of a range (epoch seconds) that have events, in order.

    Without `percentiles` the histograms hold only the sums of their durations. Without `whole_steps` the first one
    covers only the time from `since` on, a whole minute. With `starts`, at which `step_seconds` begin, too, these are
    the beginnings of the steps.
    """
    parameters = range_parameters(tx, since, until, step_seconds, whole_steps=whole_steps) | asdict(only)
    parameters["starts"] = None if starts is None else list(starts)
    points = {}
    for start, *counts, cpu, wait, run, total in tx.rows(queries("rollups")["series"], parameters):
        histograms = [Histogram({}, seconds) for seconds in (wait, run, total)]
        points[start] = Point(start, *counts, cpu, {}, *histograms)  # type: ignore[call-arg]  # as many as it has
    for start, error_class, count in tx.rows(queries("rollups")["series_failures"], parameters):
        points[start].failures[error_class] = count
    if percentiles:
        for start, measure, buckets, counts in tx.rows(queries("rollups")["series_histograms"], parameters):
            point = points[start]
            (point.wait, point.run, point.total)[measure - 1].merge_counts(dict(zip(buckets, counts, strict=True)))
    return list(points.values())


def total(points: Sequence[Point]) -> Point:
    """Returns the sum of a range."""
    whole = Point(points[0].at if points else 0.0)
    for point in points:
        whole.add(point)
    return whole


def reliability(tx: Transaction, since: float, until: float) -> list[Reliability]:
    """Returns each agent's reliability with each type in a range (epoch seconds)."""
    parameters = range_parameters(tx, begin_of(since), until, step_for(until - since), whole_steps=False)
    return [
        Reliability(agent, type_, completed, failed, seconds / ran if ran else None)
        for agent, type_, completed, failed, seconds, ran in tx.rows(queries("rollups")["reliability"], parameters)
    ]


def samples(
    tx: Transaction,
    source: str,
    since: float,
    until: float,
    step_seconds: int,
    metric: str | None = None,
    name: str | None = None,
) -> list[tuple[float, str, str, float, float, float]]:
    """Returns a source's samples by step, name and metric: (start, name, metric, mean, least, most)."""
    parameters = {**range_parameters(tx, since, until, step_seconds), "source": source, "metric": metric, "name": name}
    return [tuple(row) for row in tx.rows(queries("rollups")["samples"], parameters)]


def foremost_samples(
    tx: Transaction, source: str, metric: str, since: float, until: float, step_seconds: int, names: int
) -> list[tuple[float, str | None, float, float, int]]:
    """Returns a metric's samples by step: of each of the `names` names with the most, and of all others as name None.

    They are (start, name, the sum of the means, the maximum, of how many names).
    """
    parameters = {**range_parameters(tx, since, until, step_seconds), "source": source, "metric": metric}
    found = tx.rows(queries("rollups")["foremost_samples"], {**parameters, "names": names})
    return [tuple(row) for row in found]


def slots(tx: Transaction, level_seconds: int, starts: Sequence[float]) -> dict[str, dict[float, Slot]]:
    """Returns figures by type and start, for the units of a level that began at these times (epoch seconds)."""
    found: dict[str, dict[float, Slot]] = {}
    rows = tx.rows(queries("rollups")["slots"], {"level": level_seconds, "starts": list(starts)})
    for start, type_, submitted, ended, failed, runs in rows:
        histogram = Histogram()
        for buckets, counts in runs:
            histogram.merge_counts(dict(zip(buckets, counts, strict=True)))
        found.setdefault(type_, {})[start] = Slot(submitted, ended, failed, histogram.count, histogram.mean_log)
    return found


def first_seen(tx: Transaction, since: float) -> dict[str, float]:
    """Returns when each type was first seen since a time, to the hour; epoch seconds."""
    return dict(tx.rows(queries("rollups")["first_seen"], {"since": since}))


def range_parameters(
    tx: Transaction, since: float, until: float, step_seconds: int, *, whole_steps: bool = True
) -> dict[str, Any]:
    """Returns a statement's parameters for a range (epoch seconds) read by steps: the step, and the spans' arrays."""
    chosen = (spans if whole_steps else covering)(since, until, step_seconds, rollups.levels(tx))
    names = ("levels", "sinces", "untils")
    return {"step": step_seconds, **{name: [span[i] for span in chosen] for i, name in enumerate(names)}}
