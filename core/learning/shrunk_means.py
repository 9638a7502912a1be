"""Predicts run times by running means, each shrunk towards the one of the level above it (pure).

The estimate of a level with n run times is (n · its mean + STRENGTH · the estimate above) / (n + STRENGTH): with few
run times it follows the level above, with many its own. This is the usual shrinkage of empirical Bayes (Efron, Morris:
"Stein's estimation rule and its competitors", JASA 68, 1973) with a fixed strength. MEMORY bounds n, so that a mean
follows a change within about as many run times.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

STRENGTH = 3.0
MEMORY = 50.0


class RunningMean:
    """The mean in seconds of about the last MEMORY run times; `runs` counts them up to MEMORY."""

    __slots__ = ("mean", "runs")

    def __init__(self, runs: float = 0.0, mean: float = 0.0) -> None:
        self.runs = runs
        self.mean = mean

    def add(self, seconds: float) -> None:
        """Adds a run time."""
        runs = self.runs + 1.0
        self.runs = runs = runs if runs < MEMORY else MEMORY
        self.mean += (seconds - self.mean) / runs


def shrunk_mean(levels: Iterable[RunningMean | None]) -> float | None:
    """Returns the estimate in seconds from means in the order of `keys_of`; None if nothing is known.

    A level without run times ends it: those below it have none either.
    """
    estimate: float | None = None
    for level in levels:
        if level is None or not level.runs:
            break
        runs = level.runs
        estimate = level.mean if estimate is None else (runs * level.mean + STRENGTH * estimate) / (runs + STRENGTH)
    return estimate


def learn(levels: Sequence[RunningMean], seconds: float) -> None:
    """Adds a run time to every level."""
    for level in levels:
        level.add(seconds)
