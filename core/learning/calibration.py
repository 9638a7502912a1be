"""Corrects intervals by where the last results fell (pure).

A distribution that is too narrow has more than a tenth of the results below its tenth. So the interval's ends are
taken at those shares of it below which a tenth, and nine tenths, of the last results really fell. Correcting step by
step after each miss (adaptive conformal inference: Gibbs, Candès, arXiv 2106.00170) overshoots where results arrive
late, as those of long tasks do.
"""

from __future__ import annotations

from collections import deque

COVERAGE = 0.8
TAIL = (1 - COVERAGE) / 2
LAST = 1_000  # results
MIN_RESULTS = 100  # fewer correct nothing
_EVERY = 20  # results between two corrections
_EDGE = 0.001


class Calibration:
    """Finds at which shares of the predicted distributions an 80 % interval has to begin and end."""

    def __init__(self, low: float = TAIL, high: float = 1 - TAIL) -> None:
        self.low = low
        self.high = high
        self._fell: deque[float] = deque(maxlen=LAST)
        self._since = 0

    def note(self, share: float) -> None:
        """Records where a result fell: the share of its predicted distribution below it."""
        self._fell.append(share)
        self._since += 1
        if self._since >= _EVERY and len(self._fell) >= MIN_RESULTS:
            self._since = 0
            ordered = sorted(self._fell)
            self.low = max(_EDGE, ordered[int(TAIL * len(ordered))])
            self.high = min(1 - _EDGE, ordered[min(len(ordered) - 1, int((1 - TAIL) * len(ordered)))])
            if self.low >= self.high:
                self.low, self.high = TAIL, 1 - TAIL
