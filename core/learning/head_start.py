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
ALIKE_SHARE = 2 * WORK_SHARE  # of all predicted work: tasks alike that carry more are not told apart by the limit
GAP_SHARE = 0.02  # of all predicted work that may lie between them and the next longer ones
_BUCKETS_PER_OCTAVE = 11
_ALIKE_BUCKETS = 4  # to each side: a quarter shorter or longer
_GAP_BUCKETS = 11  # at least: the next ones take twice as long
_GROWTH = 2 ** (1 / HALF_LIFE)
_MAX_WEIGHT = 1e100
_EVERY = 50  # tasks between two readings, once there are as many


def head_start(predicted_seconds: float | None, short_seconds: float, longest_wait_seconds: float) -> float:
    """Returns a head start in seconds, to a millisecond; 0 without a prediction, or if nothing waits long."""
    if predicted_seconds is None or longest_wait_seconds < MIN_WAIT_SECONDS or predicted_seconds >= short_seconds:
        return 0.0
    return round(WAITS * longest_wait_seconds * (1 - predicted_seconds / short_seconds), 3)


class ShortLimit:
    """Keeps up `seconds`: the predicted length below which tasks carry WORK_SHARE of the predicted work of late."""

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
        buckets, total = sorted(self._work), sum(self._work.values())
        left = WORK_SHARE * total
        for place, bucket in enumerate(buckets):
            left -= self._work[bucket]
            if left <= 0:
                self.seconds = 2 ** (self._end_of(bucket, buckets[place:], total) / _BUCKETS_PER_OCTAVE)
                break
        if self._weight > _MAX_WEIGHT:
            self._work = {bucket: work / self._weight for bucket, work in self._work.items()}
            self._weight = 1.0

    def _end_of(self, bucket: int, longer: list[int], total: float) -> int:
        """Returns the bucket where what is short ends; the limit lies within `bucket`, the first of `longer`.

        Where many tasks are about as long as that, they are short together: up to the next that carry some work.
        """
        alike = range(bucket - _ALIKE_BUCKETS, bucket + _ALIKE_BUCKETS + 1)
        if sum(self._work.get(one, 0.0) for one in alike) < ALIKE_SHARE * total:
            return bucket + 1
        left = GAP_SHARE * total
        for one in longer:
            left -= self._work[one] if one > alike[-1] else 0.0
            if left <= 0:
                return one if one >= bucket + _GAP_BUCKETS else bucket + 1
        return bucket + 1
