"""Computes how far ahead of its turn a task predicted short may go (pure).

Its score is its ready time less WAITS · the longest wait now · (1 − predicted / short), so that it overtakes only tasks
that became ready within WAITS times the longest wait. It is of the family of γ-Boost (Yu, Scully: "Strongly
Tail-Optimal Scheduling in the Light-Tailed M/G/1", arXiv 2404.08826). Tasks not below `short` keep their order.
"""

from __future__ import annotations

import math

WAITS = 4.0
WORK_SHARE = 0.05  # of all predicted work that is in tasks below `short`
MIN_WAIT_SECONDS = 1.0  # of the longest wait: with less there is nothing to gain
HALF_LIFE = 300.0  # tasks
_BUCKETS_PER_OCTAVE = 11
_GROWTH = 2 ** (1 / HALF_LIFE)
_MAX_WEIGHT = 1e100
_EVERY = 50  # tasks between two readings, once there are as many


def head_start(predicted_seconds: float | None, short_seconds: float, longest_wait_seconds: float) -> float:
    """Returns a head start in seconds, to a millisecond; 0 without a prediction, or if nothing waits long."""
    if predicted_seconds is None or longest_wait_seconds < MIN_WAIT_SECONDS or predicted_seconds >= short_seconds:
        return 0.0
    return round(WAITS * longest_wait_seconds * (1 - predicted_seconds / short_seconds), 3)


class ShortLimit:
    """Keeps up `seconds`: the length below which tasks carry WORK_SHARE of the predicted work of late."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self._work: dict[int, float] = {}
        self._weight = 1.0
        self._count = 0

    def add(self, predicted_seconds: float) -> None:
        """Adds a task's predicted run time (positive)."""
        self._weight *= _GROWTH
        bucket = math.floor(math.log2(predicted_seconds) * _BUCKETS_PER_OCTAVE)
        self._work[bucket] = self._work.get(bucket, 0.0) + predicted_seconds * self._weight
        self._count += 1
        if self._count < _EVERY or self._count % _EVERY == 0:
            self._read()

    def _read(self) -> None:
        left = WORK_SHARE * sum(self._work.values())
        for bucket in sorted(self._work):
            left -= self._work[bucket]
            if left <= 0:
                self.seconds = 2 ** ((bucket + 1) / _BUCKETS_PER_OCTAVE)
                break
        if self._weight > _MAX_WEIGHT:
            self._work = {bucket: work / self._weight for bucket, work in self._work.items()}
            self._weight = 1.0
