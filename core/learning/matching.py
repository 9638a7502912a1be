"""Chooses which of the first waiting tasks an agent gets: the one that it is comparatively best at (pure)."""

from __future__ import annotations

MIN_GAIN = 0.1  # of logarithms of times: a smaller difference, real as it may be, is not worth changing the order for
CANDIDATES = 20  # the first ones in order
MAX_PASSED = 20  # times that others go before the first one
IDLE_AGENTS = 4  # that a task has the choice of, the least loaded ones: more gained nothing in simulations


def best_place(handicaps: list[float], passed: list[int]) -> int:
    """Returns the place of the task that an agent with these handicaps for them takes, of several the first.

    `passed` is how many times each was passed over; one at MAX_PASSED goes first. Neither is empty. Who takes the task
    counts all before it as passed over once more. The first one is taken unless that costs MIN_GAIN.
    """
    if max(passed) >= MAX_PASSED:
        return next(place for place, times in enumerate(passed) if times >= MAX_PASSED)
    least = min(handicaps)
    return handicaps.index(least) if handicaps[0] - least >= MIN_GAIN else 0
