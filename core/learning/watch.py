"""Watches whether tasks predicted short really are, and says when head starts must stop (pure).

They have to be shorter in the mean, which is what the others' waits depend on, and typically: with wrong predictions a
few very long tasks among the others make their mean large by chance, but not their typical (geometric mean) run time.
"""

from __future__ import annotations

import math
from collections import deque

from taskyard.core.learning.sketches import MIN_SECONDS

LAST = 300  # tasks of each kind
MIN_TASKS = 30  # of each kind: fewer say nothing
OFF_ABOVE = 1 / 2  # of the mean run time of the others
ON_BELOW = 1 / 3
TYPICAL_OFF_ABOVE = 0.8  # of the typical run time of the others
TYPICAL_ON_BELOW = 0.6


class Watch:
    """Compares the run times of tasks predicted short with those of the others.

    `is_on` is False until the first MIN_TASKS of each have ended; a head start is given only while it is True.
    """

    def __init__(self, *, is_on: bool = False) -> None:
        self.is_on = is_on
        self._short = _RunTimes()
        self._others = _RunTimes()

    def note(self, run_seconds: float, *, was_short: bool) -> bool:
        """Records a task that ended; returns True if that switched head starts on or off."""
        (self._short if was_short else self._others).add(run_seconds)
        ratio = self.ratio
        if ratio is None:
            return False
        if self.is_on:
            is_on = ratio <= OFF_ABOVE and (self.typical_ratio or 0.0) <= TYPICAL_OFF_ABOVE
        else:
            is_on = ratio < ON_BELOW and (self.typical_ratio or 0.0) < TYPICAL_ON_BELOW
        has_switched = is_on is not self.is_on
        self.is_on = is_on
        return has_switched

    @property
    def ratio(self) -> float | None:
        """Returns the mean run time of those predicted short by that of the others; None while too few ended."""
        if len(self._short.seconds) < MIN_TASKS or len(self._others.seconds) < MIN_TASKS:
            return None
        others = self._others.total / len(self._others.seconds)
        return self._short.total / len(self._short.seconds) / others if others > 0 else None

    @property
    def typical_ratio(self) -> float | None:
        """Returns the same of their geometric means."""
        if len(self._short.seconds) < MIN_TASKS or len(self._others.seconds) < MIN_TASKS:
            return None
        short, others = self._short, self._others
        return math.exp(short.total_log / len(short.seconds) - others.total_log / len(others.seconds))


class _RunTimes:
    """The last run times of one kind, their sum, and that of their logarithms."""

    __slots__ = ("_logs", "seconds", "total", "total_log")

    def __init__(self) -> None:
        self.seconds: deque[float] = deque(maxlen=LAST)
        self._logs: deque[float] = deque(maxlen=LAST)
        self.total = self.total_log = 0.0

    def add(self, seconds: float) -> None:
        """Adds a run time, in place of the oldest one beyond LAST."""
        log = math.log(seconds if seconds > MIN_SECONDS else MIN_SECONDS)
        if len(self.seconds) == LAST:
            self.total -= self.seconds[0]
            self.total_log -= self._logs[0]
        self.total += seconds
        self.total_log += log
        self.seconds.append(seconds)
        self._logs.append(log)
