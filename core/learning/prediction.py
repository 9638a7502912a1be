"""Defines a predicted run time, and its text in Redis (pure)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Self

# Returns what is stored with a task by its queue, type, creator, size of input and priority; None: nothing is known.
Predict = Callable[[str, str, str, str, int], "Predicted | None"]
MAX_SECONDS = 1e9  # of a plausible run time


class Predicted(NamedTuple):
    """What is stored with a task: its run time in seconds with the 80 % interval, and its head start in seconds.

    `typical` and `mean` are those of its Prediction.
    """

    typical: float
    low: float
    high: float
    mean: float
    head_start: float = 0.0


class Prediction(NamedTuple):
    """A run time in seconds with its 80 % interval, from `runs` run times.

    `typical` is the median, which is shown and judged; `mean` is for order and for sums of work: few long ones among
    many short ones take it above the interval. `level` says of what the runs were: 0 of all tasks, 1 of the type, 2 of
    its creator, too, 3 of its size, too.
    """

    mean: float
    typical: float
    low: float
    high: float
    runs: int
    level: int

    def is_plausible(self) -> bool:
        """Returns True if its values are finite, positive and in order."""
        values = (self.mean, self.low, self.typical, self.high)
        return (
            all(math.isfinite(value) and 0 <= value <= MAX_SECONDS for value in values)
            and self.mean > 0
            and self.typical > 0
            and self.low <= self.typical <= self.high
            and self.runs > 0
        )

    def as_text(self) -> str:
        """Returns it as `parse` reads it; four digits are more than a prediction is worth."""
        return f"{self.mean:.4g} {self.typical:.4g} {self.low:.4g} {self.high:.4g} {self.runs}"

    @classmethod
    def parse(cls, text: str, level: int) -> Self:
        """Returns a prediction from its text; raises ValueError if it is none, or not plausible."""
        try:
            *seconds, runs = text.split(" ")
            mean, typical, low, high = map(float, seconds)
            found = cls(mean, typical, low, high, int(runs), level)
        except ValueError:
            found = None
        if found is None or not found.is_plausible():
            raise ValueError(f"not a plausible run time: {text[:80]}")
        return found
