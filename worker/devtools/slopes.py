"""Fits how fast something grows, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

# Student's t for a two-sided 95 % interval and many degrees of freedom.
T_95 = 1.96


class Slope(NamedTuple):
    """A growth per hour by least squares, and half the width of its 95 % confidence interval."""

    per_hour: float
    margin: float


def slope(times: Sequence[float], values: Sequence[float]) -> Slope:
    """Fits a slope over seconds, per hour. Fewer than three samples prove nothing: an infinite margin."""
    count = len(times)
    if count < 3:
        return Slope(0.0, math.inf)
    mean_time, mean_value = sum(times) / count, sum(values) / count
    spread = sum((at - mean_time) ** 2 for at in times)
    per_second = sum((at - mean_time) * (value - mean_value) for at, value in zip(times, values, strict=True)) / spread
    rest = sum(
        (value - mean_value - per_second * (at - mean_time)) ** 2 for at, value in zip(times, values, strict=True)
    )
    error = math.sqrt(rest / (count - 2) / spread)
    return Slope(3600 * per_second, 3600 * T_95 * error)
