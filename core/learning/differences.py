"""Tells whether agents differ by more than chance explains (pure).

Each agent and type has a z²: the square of how far its mean is off the type's, in standard errors. Of equal agents
these are 1 on average if runs are independent, and were up to 2 on logs of clusters, where tasks that resemble each
other come together. Their mean over n pairs scatters by √(2/n) (chi-squared). A difference is believed once the mean
exceeds ON_ABOVE by twice that, until it falls below OFF_BELOW and once that; agents whose speeds differ by a third from
type to type make it 3 to 6.
"""

from __future__ import annotations

import math
from collections.abc import Hashable

ON_ABOVE = 1.9
OFF_BELOW = 1.6
MIN_PAIRS = 2
MAX_Z_SQUARED = 25.0  # of one pair: a single agent that stands out is seen, but does not speak for all for ever


class Differences:
    """Keeps each pair's z² up to date; `are_real` is False until they exceed what chance explains."""

    def __init__(self) -> None:
        self.are_real = False
        self._z_squared: dict[Hashable, float] = {}
        self._total = 0.0
        self._limits = (math.inf, math.inf)  # of the total: on above, off below

    def note(self, pair: Hashable, z_squared: float) -> None:
        """Replaces a pair's z²."""
        value = z_squared if z_squared < MAX_Z_SQUARED else MAX_Z_SQUARED
        before = self._z_squared.get(pair)
        self._z_squared[pair] = value
        if before is None:
            self._total += value
            self._set_limits()
        else:
            self._total += value - before
        self.are_real = self._total > self._limits[self.are_real]

    def drop(self, pair: Hashable) -> None:
        """Forgets a pair."""
        if pair in self._z_squared:
            self._total -= self._z_squared.pop(pair)
            self._set_limits()
            self.are_real = self._total > self._limits[self.are_real]

    @property
    def mean(self) -> float | None:
        """Returns the mean z²; None while there are too few pairs."""
        count = len(self._z_squared)
        return self._total / count if count >= MIN_PAIRS else None

    def _set_limits(self) -> None:
        count = len(self._z_squared)
        if count < MIN_PAIRS:
            self._limits = (math.inf, math.inf)
        else:
            scatter = math.sqrt(2 / count)
            self._limits = (count * (ON_ABOVE + 2 * scatter), count * (OFF_BELOW + scatter))
