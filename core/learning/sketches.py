"""Estimates the spread of run times by a bounded histogram for each key (pure).

Buckets grow by a factor of 2^(1/8), so that a quantile is exact to 5 %. Old run times fade: each new one weighs more
than the one before it by 1 / (1 − 1/MEMORY).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import islice

MEMORY = 200.0
STRENGTH = 6.0  # of the distribution of the level above, in run times
BUCKETS_PER_OCTAVE = 8
MIN_SECONDS = 1e-6
MAX_SECONDS = 1e9
MAX_BUCKETS = 64  # of one key; the lightest ones are dropped
_GROWTH = 1 / (1 - 1 / MEMORY)
_MAX_WEIGHT = 1e12

Distribution = dict[int, float]  # the share of each bucket, all together 1


def bucket_of(seconds: float) -> int:
    """Returns the bucket of a run time."""
    return math.floor(math.log2(min(max(seconds, MIN_SECONDS), MAX_SECONDS)) * BUCKETS_PER_OCTAVE)


class Sketch:
    """The faded histogram of a key's run times."""

    __slots__ = ("_next", "total", "weights")

    def __init__(self, weights: Mapping[int, float] | None = None) -> None:
        """Takes `weights` as `faded` returned them."""
        self.weights = dict(weights or {})
        self.total = sum(self.weights.values())
        self._next = 1.0

    def add(self, seconds: float) -> None:
        """Adds a run time."""
        bucket, weight = bucket_of(seconds), self._next
        self.weights[bucket] = self.weights.get(bucket, 0.0) + weight
        self.total += weight
        self._next = weight * _GROWTH
        if len(self.weights) > MAX_BUCKETS or self._next > _MAX_WEIGHT:
            kept = sorted(self.faded().items(), key=lambda item: -item[1])[: MAX_BUCKETS // 2]
            self.weights, self._next = dict(kept), 1.0
            self.total = sum(self.weights.values())

    @property
    def runs(self) -> float:
        """Returns how many run times it stands for, MEMORY at most."""
        return self.total / self._next if self._next > 1 else self.total

    def faded(self) -> Distribution:
        """Returns the weights in units of one new run time."""
        return {bucket: weight / self._next for bucket, weight in self.weights.items()}


def distribution(levels: Iterable[Sketch | None]) -> Distribution:
    """Returns the distribution from sketches in the order of `keys_of`: each mixed with that of the levels above it.

    A level's own share is n / (n + STRENGTH), where n are its run times, as for the means. Empty if nothing is known.
    """
    mixed: Distribution = {}
    for sketch in levels:
        if sketch is None or not sketch.weights:
            break
        runs = sketch.runs
        own = runs / (runs + STRENGTH) if mixed else 1.0
        scale = own / sketch.total
        mixed = {bucket: share * (1 - own) for bucket, share in mixed.items()} if own < 1 else {}
        for bucket, weight in sketch.weights.items():
            mixed[bucket] = mixed.get(bucket, 0.0) + weight * scale
    return mixed


def quantiles(shares: Distribution, at: Iterable[float]) -> list[float]:
    """Returns the run times in seconds below which these shares (ascending, of 1) lie; `shares` is not empty."""
    found: list[float] = []
    wanted = iter(at)
    share = next(wanted, None)
    below = 0.0
    buckets = sorted(shares)
    for bucket in buckets:
        upto = below + shares[bucket]
        while share is not None and upto >= share - 1e-12:
            inside = (share - below) / shares[bucket] if shares[bucket] else 1.0
            found.append(2 ** ((bucket + min(max(inside, 0.0), 1.0)) / BUCKETS_PER_OCTAVE))
            share = next(wanted, None)
        below = upto
    if share is not None:
        rest = 1 + sum(1 for _ in islice(wanted, 1_000))
        found += [2 ** ((buckets[-1] + 1) / BUCKETS_PER_OCTAVE)] * rest
    return found


def share_below(shares: Distribution, seconds: float) -> float:
    """Returns the share of the distribution that lies below a run time."""
    at = bucket_of(seconds)
    inside = math.log2(min(max(seconds, MIN_SECONDS), MAX_SECONDS)) * BUCKETS_PER_OCTAVE - at
    return sum(share for bucket, share in shares.items() if bucket < at) + shares.get(at, 0.0) * inside
