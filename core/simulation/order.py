"""Gives simulated tasks their place in order, as each policy does, learning from those that ended (pure)."""

from __future__ import annotations

from collections.abc import Callable

from taskyard.core.learning.head_start import ShortLimit, head_start
from taskyard.core.learning.shrunk_means import RunningMean, learn, shrunk_mean
from taskyard.core.learning.sketches import MIN_SECONDS
from taskyard.core.learning.watch import Watch
from taskyard.core.simulation.workload import Workload
from taskyard.core.states import Priority


class Predictor:
    """Predicts run times of a workload's tasks by what was learned of those that ended before."""

    def __init__(self, workload: Workload, distorted: Callable[[float], float] | None = None) -> None:
        """Takes what a prediction is changed by, to see what becomes of wrong ones."""
        means: dict[str, RunningMean] = {}
        self._levels = [[means.setdefault(key, RunningMean()) for key in keys] for keys in workload.key_names]
        self._keys = workload.keys
        self._distorted = distorted
        for key, seconds in workload.earlier:
            learn(self._levels[key], seconds)

    def predict(self, task: int) -> float | None:
        """Returns the run time in seconds; None if nothing has ended yet."""
        seconds = shrunk_mean(self._levels[self._keys[task]])
        if seconds is None:
            return None
        if self._distorted is not None:
            seconds = self._distorted(seconds)
        return seconds if seconds > MIN_SECONDS else MIN_SECONDS

    def learn(self, task: int, seconds: float) -> None:
        """Adds the run time of a task that ended."""
        learn(self._levels[self._keys[task]], seconds)


class HeadStarts:
    """The head starts of one queue's tasks under the policy `learned`, and the watch on them."""

    def __init__(self) -> None:
        self.short = ShortLimit()
        self.watch = Watch()
        self._predicted_short: set[int] = set()  # of the tasks that have not ended

    def of(self, task: int, predicted: float | None, priority: int, longest_wait_seconds: float) -> float:
        """Returns a task's head start in seconds; an urgent one counts as the shortest."""
        if predicted is None:
            return 0.0
        short = self.short
        short.add(predicted)
        if predicted < short.seconds:
            self._predicted_short.add(task)
        elif priority != Priority.URGENT:
            return 0.0
        if not self.watch.is_on:
            return 0.0
        return head_start(0.0 if priority == Priority.URGENT else predicted, short.seconds, longest_wait_seconds)

    def note_end(self, task: int, seconds: float) -> None:
        """Tells the watch of a task that ended."""
        was_short = task in self._predicted_short
        if was_short:
            self._predicted_short.discard(task)
        self.watch.note(seconds, was_short=was_short)
