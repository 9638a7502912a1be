"""Holds what is known of run times by key, bounded in number, and predicts from it (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from taskyard.core.learning.calibration import Calibration
from taskyard.core.learning.keys import levels_of_key
from taskyard.core.learning.prediction import MAX_SECONDS, Prediction
from taskyard.core.learning.shrunk_means import MEMORY, RunningMean, shrunk_mean
from taskyard.core.learning.sketches import MEMORY as SKETCH_MEMORY
from taskyard.core.learning.sketches import MIN_SECONDS, Sketch, distribution, quantiles, share_below

MAX_KEYS = 10_000


@dataclass(slots=True)
class Known:
    """What is known of a key's run times; `runs` counts all that were ever learned."""

    mean: RunningMean = field(default_factory=RunningMean)
    sketch: Sketch = field(default_factory=Sketch)
    runs: int = 0

    def problem(self) -> str | None:
        """Returns why it can't be used; None if it can."""
        if not (math.isfinite(self.mean.mean) and 0 <= self.mean.mean <= MAX_SECONDS):
            return f"mean {self.mean.mean} s"
        if not 0 < self.mean.runs <= MEMORY or self.runs <= 0:
            return f"{self.mean.runs} runs of {self.runs}"
        weights = self.sketch.weights.values()
        if not weights or not all(math.isfinite(weight) and weight > 0 for weight in weights):
            return "weights that are none"
        if not self.sketch.total <= 10 * SKETCH_MEMORY:
            return f"weights of {self.sketch.total}"
        if not all(-200 < bucket < 300 for bucket in self.sketch.weights):
            return "buckets out of range"
        return None


class RunTimeModel:
    """Predicts run times by key; the keys that learned longest ago are forgotten beyond `max_keys`.

    `changed` are the keys that learned since somebody cleared it, `forgotten` those that were dropped.
    """

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._known: dict[str, Known] = {}  # the one that learned longest ago first
        self._max_keys = max_keys
        self.calibration = Calibration()
        self.changed: set[str] = set()
        self.forgotten: set[str] = set()

    def load(self, rows: Mapping[str, Known]) -> dict[str, str]:
        """Adds stored keys, the one that learned longest ago first; returns why each of the others is ignored."""
        ignored = {}
        for key, known in rows.items():
            problem = known.problem()
            if problem is None:
                self._known[key] = known
            else:
                ignored[key] = problem
        return ignored

    def learn(self, keys: Sequence[str], seconds: float) -> float | None:
        """Adds a run time to every level of a task's keys.

        Returns where it fell: the share of what was predicted before that lies below it; None if nothing was known.
        """
        if not (math.isfinite(seconds) and 0 <= seconds <= MAX_SECONDS):
            return None
        seconds = max(seconds, MIN_SECONDS)
        shares = distribution(self._sketches(keys))
        share = share_below(shares, seconds) if shares else None
        if share is not None:
            self.calibration.note(share)
        for key in keys:
            known = self._known.pop(key, None) or Known()
            self._known[key] = known
            known.mean.add(seconds)
            known.sketch.add(seconds)
            known.runs += 1
        self.changed.update(keys)
        while len(self._known) > self._max_keys:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self.changed.discard(oldest)
            self.forgotten.add(oldest)
        return share

    def mean(self, keys: Iterable[str]) -> float | None:
        """Returns the mean of the predicted run time in seconds alone; None if nothing is known."""
        return shrunk_mean(known.mean if (known := self._known.get(key)) else None for key in keys)

    def predict(self, keys: Sequence[str]) -> Prediction | None:
        """Returns the prediction for keys in the order of `keys_of`, or its first ones; None if nothing is known."""
        found = [known for key in keys if (known := self._known.get(key)) is not None]
        mean = self.mean(keys)
        if mean is None:
            return None
        first, last = self.calibration.low, self.calibration.high
        middle = min(max(0.5, first), last)  # so that the median is within the interval
        low, typical, high = quantiles(distribution(known.sketch for known in found), (first, middle, last))
        return Prediction(mean, typical, low, high, found[-1].runs, len(found) - 1)

    def late_after(self, keys: Sequence[str], share: float, least_runs: int) -> float | None:
        """Returns the run time in seconds that this share of tasks with these keys (of `levels_of`) does not exceed.

        None if fewer than `least_runs` of such tasks are known: those of a new creator or size may well take longer.
        """
        alike = self._known.get(keys[-1])
        if alike is None or alike.runs < least_runs:
            return None
        return quantiles(distribution(self._sketches(keys)), (share,))[0]

    def of_key(self, key: str) -> Prediction | None:
        """Returns the prediction that a key and the levels above it make; None if it is unknown."""
        return self.predict(levels_of_key(key)) if key in self._known else None

    def known(self, key: str) -> Known | None:
        """Returns what is known of a key."""
        return self._known.get(key)

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def _sketches(self, keys: Iterable[str]) -> Iterator[Sketch | None]:
        return (known.sketch if (known := self._known.get(key)) else None for key in keys)
