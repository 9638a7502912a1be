"""Compares an agent's run times of a task type with those of the other agents that ran the type (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from taskyard.core.telemetry.histogram import Histogram

P50, P95 = 50, 95
MIN_ATTEMPTS: Mapping[int, int] = {P50: 10, P95: 100}  # on both sides: fewer say nothing of that percentile
NOTABLE_RATIO = 1.5
NOTABLE_SECONDS = 0.01  # shorter differences are those of measuring

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class RunTimes:
    """How many attempts ran, and percentiles of their run times in seconds (None without any)."""

    attempts: int = 0
    p50_seconds: float | None = None
    p95_seconds: float | None = None

    def at(self, percent: int) -> float | None:
        """Returns one of the two percentiles."""
        return self.p50_seconds if percent == P50 else self.p95_seconds


@dataclass(frozen=True, slots=True)
class Slower:
    """Run times that are notably longer than those of the others: `ratio` times, at P50 or else at P95."""

    ratio: float
    percent: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """An agent's run times of a type, and those of all other agents together."""

    own: RunTimes = RunTimes()
    others: RunTimes = RunTimes()

    def ratio(self, percent: int) -> float | None:
        """Returns the own percentile by that of the others; None if there were too few attempts on either side."""
        own, others = self.own.at(percent), self.others.at(percent)
        if min(self.own.attempts, self.others.attempts) < MIN_ATTEMPTS[percent] or own is None or not others:
            return None
        return own / others

    @property
    def slower(self) -> Slower | None:
        """Returns how much slower it is than the others; None if it is not, or nothing can be said."""
        for percent in (P50, P95):
            ratio = self.ratio(percent)
            longer = (self.own.at(percent) or 0.0) - (self.others.at(percent) or 0.0)
            if ratio is not None and ratio >= NOTABLE_RATIO and longer >= NOTABLE_SECONDS:
                return Slower(ratio, percent)
        return None


def run_times(histogram: Histogram) -> RunTimes:
    """Returns the percentiles of a histogram."""
    return RunTimes(histogram.count, histogram.percentile(P50), histogram.percentile(P95))


def compared(histograms: Mapping[Key, Histogram]) -> dict[Key, Comparison]:
    """Returns the comparison of each agent with all others, from the run times of one type by agent."""
    pool = Histogram()
    for histogram in histograms.values():
        pool.merge_counts(histogram.counts)
    return {key: Comparison(run_times(own), run_times(_without(pool, own))) for key, own in histograms.items()}


def _without(pool: Histogram, own: Histogram) -> Histogram:
    left = {bucket: count - own.counts.get(bucket, 0) for bucket, count in pool.counts.items()}
    return Histogram({bucket: count for bucket, count in left.items() if count > 0})
