"""Provides histograms of durations whose percentiles have a bounded relative error, and which add up (pure).

The buckets are those of DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
relative-error guarantees", PVLDB 12(12), 2019): bucket i holds the values in (GROWTH^(i-1), GROWTH^i], and stands
for its middle value, which is off by at most RELATIVE_ERROR. Values below MIN_SECONDS are counted as MIN_SECONDS.
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
    """Returns the bucket of a duration in seconds."""
    return math.ceil(math.log(max(seconds, MIN_SECONDS)) / _LOG_GROWTH)


def value_of(bucket: int) -> float:
    """Returns the duration in seconds that a bucket stands for."""
    return 2 * GROWTH**bucket / (GROWTH + 1)


@dataclass(slots=True)
class Histogram:
    """Counts durations by bucket, and holds their sum in seconds."""

    counts: dict[int, int] = field(default_factory=dict)
    total_seconds: float = 0.0

    @classmethod
    def of(cls, durations: Iterable[float]) -> Self:
        """Returns a histogram of these durations in seconds."""
        histogram = cls()
        histogram.add_all(list(durations))
        return histogram

    @property
    def count(self) -> int:
        """Returns the number of durations."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float | None:
        """Returns the exact mean in seconds; None if it is empty."""
        count = self.count
        return self.total_seconds / count if count else None

    @property
    def mean_log(self) -> float:
        """Returns the mean natural logarithm of the durations in seconds, within the buckets' error; 0 if it is
        empty.
        """
        count = self.count
        return sum(n * math.log(value_of(bucket)) for bucket, n in self.counts.items()) / count if count else 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        """Counts a duration in seconds, `count` times."""
        bucket = bucket_of(seconds)
        self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.total_seconds += seconds * count

    def add_all(self, durations: Sequence[float]) -> None:
        """Counts many durations, at a third of the cost of single calls."""
        counts, log, ceil = self.counts, math.log, math.ceil
        for seconds in durations:
            bucket = ceil(log(seconds if seconds > MIN_SECONDS else MIN_SECONDS) / _LOG_GROWTH)
            counts[bucket] = counts.get(bucket, 0) + 1
        self.total_seconds += sum(durations)

    def merge(self, other: Histogram) -> None:
        """Adds another histogram."""
        self.merge_counts(other.counts)
        self.total_seconds += other.total_seconds

    def merge_counts(self, counts: Mapping[int, int]) -> None:
        """Adds counts by bucket."""
        for bucket, count in counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count

    def percentile(self, percent: float) -> float | None:
        """Returns the smallest duration that at least `percent` % of the durations do not exceed; None if it is
        empty.

        It is exact to RELATIVE_ERROR.
        """
        rank = max(1, math.ceil(self.count * percent / 100))
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return value_of(bucket)
        return None

    def count_within(self, seconds: float) -> int:
        """Returns how many durations do not exceed `seconds`, to the error of the bucket that holds it."""
        limit = bucket_of(seconds)
        return sum(n for bucket, n in self.counts.items() if bucket <= limit)

    def share_within(self, seconds: float) -> float | None:
        """Returns the share of durations up to the end of the bucket of `seconds`; None if it is empty."""
        count = self.count
        return self.count_within(seconds) / count if count else None
