"""Watches whether tasks predicted short really are, and says when head starts must stop (pure)."""

from __future__ import annotations

from collections import deque

LAST = 300  # tasks of each kind
MIN_TASKS = 30  # of each kind: fewer say nothing
OFF_ABOVE = 1 / 2  # of the mean run time of the others
ON_BELOW = 1 / 3


class Watch:
    """Compares the run times of tasks predicted short with those of the others.

    `is_on` is False until the first MIN_TASKS of each have ended; a head start is given only while it is True.
    """

    def __init__(self, *, is_on: bool = False) -> None:
        self.is_on = is_on
        self._short: deque[float] = deque(maxlen=LAST)
        self._others: deque[float] = deque(maxlen=LAST)
        self._short_seconds = self._others_seconds = 0.0

    def note(self, run_seconds: float, *, was_short: bool) -> bool:
        """Records a task that ended; returns True if that switched head starts on or off."""
        if was_short:
            self._short_seconds += run_seconds - (self._short[0] if len(self._short) == LAST else 0.0)
            self._short.append(run_seconds)
        else:
            self._others_seconds += run_seconds - (self._others[0] if len(self._others) == LAST else 0.0)
            self._others.append(run_seconds)
        ratio = self.ratio
        if ratio is None or not (ratio > OFF_ABOVE if self.is_on else ratio < ON_BELOW):
            return False
        self.is_on = not self.is_on
        return True

    @property
    def ratio(self) -> float | None:
        """Returns the mean run time of those predicted short by that of the others; None while too few ended."""
        if len(self._short) < MIN_TASKS or len(self._others) < MIN_TASKS:
            return None
        others = self._others_seconds / len(self._others)
        return self._short_seconds / len(self._short) / others if others > 0 else None
