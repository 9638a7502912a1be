"""Lays out logarithmic axes of durations (pure)."""

from __future__ import annotations

import math

LABELLED_SECONDS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 60, 600, 3600, 36_000, 86_400, 864_000, 8_640_000)


def labelled_durations(least: float, most: float, wanted: int = 4) -> list[float]:
    """Returns the durations (seconds) to label on an axis: at most so many."""
    within = [tick for tick in LABELLED_SECONDS if least <= tick <= most]
    if not within:
        return [math.sqrt(least * most)]
    return within[:: max(1, math.ceil(len(within) / wanted))]
