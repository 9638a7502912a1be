"""Turns histograms of durations over time into the cells of a heat map (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from taskyard.core.telemetry.histogram import GROWTH, MIN_SECONDS, Histogram, bucket_of, value_of

ROWS_PER_DECADE = 4  # each row is 1.78 times the one below


@dataclass(frozen=True, slots=True)
class Heat:
    """How many durations each step has in each row; row 0 begins at `first` / ROWS_PER_DECADE decades of seconds."""

    first: int
    counts: Sequence[Sequence[int]]  # by row, then by step

    @property
    def count(self) -> int:
        """Returns how many durations there are."""
        return sum(map(sum, self.counts))

    def edges(self) -> list[float]:
        """Returns the borders of the rows in seconds, one more than there are rows."""
        return [float(10 ** ((self.first + row) / ROWS_PER_DECADE)) for row in range(len(self.counts) + 1)]

    def bounds(self) -> list[float]:
        """Returns the durations in seconds between which what is counted in each row really is: the borders of the
        sketch's buckets, which are near the `edges`.
        """
        return [_least(self.first + row) for row in range(len(self.counts) + 1)]


def _least(row: int) -> float:
    """Returns the least duration in seconds that is counted in a row, which is counted from that of one second."""
    bucket = bucket_of(10 ** (row / ROWS_PER_DECADE)) - 2
    while _row_of(bucket) < row:
        bucket += 1
    # what is shorter than MIN_SECONDS is counted with it
    return float(GROWTH ** (bucket - 1)) if bucket > bucket_of(MIN_SECONDS) else 0.0


def _row_of(bucket: int) -> int:
    return math.floor(ROWS_PER_DECADE * math.log10(value_of(bucket)))


def heat_of(histograms: Sequence[Histogram]) -> Heat:
    """Returns the heat map of one histogram for each step, with rows from the shortest to the longest duration."""
    steps = [_by_row(histogram) for histogram in histograms]
    rows = [row for step in steps for row in step]
    if not rows:
        return Heat(0, ())
    first = min(rows)
    return Heat(first, [[step.get(row, 0) for step in steps] for row in range(first, max(rows) + 1)])


def _by_row(histogram: Histogram) -> dict[int, int]:
    found: dict[int, int] = {}
    for bucket, count in histogram.counts.items():
        row = _row_of(bucket)
        found[row] = found.get(row, 0) + count
    return found
