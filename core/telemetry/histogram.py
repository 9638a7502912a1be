"""Histograms of durations whose percentiles have a bounded relative error, and which add up (pure).

The buckets are those of DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile
sketch with relative-error guarantees", PVLDB 12(12), 2019): bucket i holds the values in
(GROWTH^(i-1), GROWTH^i], and stands for the value in its middle, which is off by at most
RELATIVE_ERROR. Values below MIN_SECONDS are counted as MIN_SECONDS.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

RELATIVE_ERROR = 0.05
MIN_SECONDS = 1e-6
GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GROWTH = math.log(GROWTH)


def bucket_of(seconds: float) -> int:
    """The bucket that a duration falls into."""
    return math.ceil(math.log(max(seconds, MIN_SECONDS)) / _LOG_GROWTH)


def value_of(bucket: int) -> float:
    """The duration in seconds that a bucket stands for."""
    return 2 * GROWTH**bucket / (GROWTH + 1)


@dataclass(slots=True)
class Histogram:
    """How many durations fell into each bucket, and their sum in seconds."""

    counts: dict[int, int] = field(default_factory=dict)
    total_seconds: float = 0.0

    @classmethod
    def of(cls, durations: Iterable[float]) -> Self:
        """A histogram of these durations in seconds."""
        histogram = cls()
        histogram.add_all(list(durations))
        return histogram

    @property
    def count(self) -> int:
        """How many durations it holds."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float | None:
        """The exact mean in seconds; None if it is empty."""
        count = self.count
        return self.total_seconds / count if count else None

    @property
    def mean_log(self) -> float:
        """The mean natural logarithm of the durations in seconds, to the error of the buckets; 0 if it is empty."""
        count = self.count
        return sum(n * math.log(value_of(bucket)) for bucket, n in self.counts.items()) / count if count else 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        """Counts a duration, `count` times."""
        bucket = bucket_of(seconds)
        self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.total_seconds += seconds * count

    def add_all(self, durations: Sequence[float]) -> None:
        """Counts many durations, for a third of the cost of one by one."""
        counts, log, ceil = self.counts, math.log, math.ceil
        for seconds in durations:
            bucket = ceil(log(seconds if seconds > MIN_SECONDS else MIN_SECONDS) / _LOG_GROWTH)
            counts[bucket] = counts.get(bucket, 0) + 1
        self.total_seconds += sum(durations)

    def merge(self, other: Histogram) -> None:
        """Adds everything that the other one holds."""
        self.merge_counts(other.counts)
        self.total_seconds += other.total_seconds

    def merge_counts(self, counts: Mapping[int, int]) -> None:
        """Adds counts by bucket."""
        for bucket, count in counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count

    def percentile(self, percent: float) -> float | None:
        """The smallest duration that at least `percent` % are not above, within RELATIVE_ERROR; None if it is empty."""
        rank = max(1, math.ceil(self.count * percent / 100))
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return value_of(bucket)
        return None

    def count_within(self, seconds: float) -> int:
        """How many durations were not above `seconds`, to the error of the bucket that holds it."""
        limit = bucket_of(seconds)
        return sum(n for bucket, n in self.counts.items() if bucket <= limit)

    def share_within(self, seconds: float) -> float | None:
        """The share of durations not above `seconds`, whose whole bucket counts as within; None if it is empty."""
        count = self.count
        return self.count_within(seconds) / count if count else None
