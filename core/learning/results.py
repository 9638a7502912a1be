"""Counts how well predictions hold (pure)."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from taskyard.core.learning.sketches import bucket_of

LAST = 1_000  # results
MIN_RESULTS = 200  # fewer say nothing of the coverage
PLACES = 10
LEAST_SECONDS = 1e-3  # in an error: below that machines differ by any factor, which would outweigh everything else


def side_of(seconds: float, low: float, typical: float, high: float) -> int:
    """Returns -1 if a run time is below its interval, 1 if it is above, and 0 if it is within.

    Run times are known by buckets. Where an end lies in the bucket of the median, that one holds much of the
    distribution, nobody knows where in it: such as all of a type that always takes as long. So it is within as a whole.
    """
    if low <= seconds <= high:
        return 0
    side, end = (-1, low) if seconds < low else (1, high)
    return 0 if bucket_of(seconds) == bucket_of(end) == bucket_of(typical) else side


@dataclass(slots=True)
class Held:
    """How many tasks ended, how many of them below and above their interval, and the sums of their errors.

    An error is the natural logarithm of actual by predicted seconds, both at least LEAST_SECONDS; `log_error` sums its
    amounts. `places` counts tasks by the tenth of their predicted distribution in which they fell: alike if the
    distributions are right.
    """

    tasks: int = 0
    below: int = 0
    above: int = 0
    log_error: float = 0.0
    log_bias: float = 0.0
    places: list[int] = field(default_factory=lambda: [0] * PLACES)

    def add(self, seconds: float, low: float, predicted: float, high: float, share: float | None = None) -> bool:
        """Adds a task that took `seconds`, with the share of its distribution below that; returns True if that was
        within its interval.
        """
        error = math.log(max(seconds, LEAST_SECONDS) / max(predicted, LEAST_SECONDS))
        side = side_of(seconds, low, predicted, high)
        self.tasks += 1
        self.below += side < 0
        self.above += side > 0
        self.log_error += abs(error)
        self.log_bias += error
        if share is not None:
            self.places[min(PLACES - 1, int(share * PLACES))] += 1
        return side == 0

    def __iadd__(self, other: Held) -> Held:
        self.tasks += other.tasks
        self.below += other.below
        self.above += other.above
        self.log_error += other.log_error
        self.log_bias += other.log_bias
        self.places = [a + b for a, b in zip(self.places, other.places, strict=True)]
        return self

    @property
    def coverage(self) -> float | None:
        """Returns the share within the intervals; None without tasks."""
        return (self.tasks - self.below - self.above) / self.tasks if self.tasks else None

    @property
    def error_factor(self) -> float | None:
        """Returns by what factor predictions are typically off, in either direction (1: not at all)."""
        return math.exp(self.log_error / self.tasks) if self.tasks else None

    @property
    def bias_factor(self) -> float | None:
        """Returns the typical actual by predicted time: above 1, tasks take longer than predicted."""
        return math.exp(self.log_bias / self.tasks) if self.tasks else None


class Recent:
    """The last LAST results: whether each was within its interval."""

    def __init__(self) -> None:
        self._inside: deque[bool] = deque(maxlen=LAST)

    def add(self, is_inside: bool) -> None:
        self._inside.append(is_inside)

    @property
    def coverage(self) -> float | None:
        """Returns the share within the intervals; None before MIN_RESULTS."""
        return sum(self._inside) / len(self._inside) if len(self._inside) >= MIN_RESULTS else None
