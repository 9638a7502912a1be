"""Queues an agent's tasks that are read and not started: urgent first, otherwise in order of arrival."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from taskyard.core.protocol import Pair, Run
from taskyard.core.states import Priority

SHORT_SECONDS = 0.001  # runs shorter than this are taken several at a time …
BATCH_SECONDS = 0.005  # … as many as fit in this
MAX_BATCH = 256
SMOOTHING = 0.1


class LocalQueue:
    """Runs that wait for a slot. Slots take short ones several at a time."""

    def __init__(self, batch_limit: Callable[[Run], int]) -> None:
        self._batch_limit = batch_limit
        self._waiting: dict[int, deque[Run]] = {int(p): deque() for p in sorted(Priority, reverse=True)}
        self._condition = threading.Condition()
        self._is_closed = False
        self._idle = 0  # slots that wait here

    @property
    def free_slots(self) -> int:
        """Returns how many slots wait for more than is here already."""
        return self._idle - sum(map(len, self._waiting.values()))

    def put(self, runs: Sequence[Run]) -> None:
        """Adds runs, and wakes as many slots as will take them: others would wake for nothing."""
        with self._condition:
            for run in runs:
                self._waiting[run.priority].append(run)
            self._condition.notify(self._batches(runs))

    def _batches(self, runs: Sequence[Run]) -> int:
        """Returns in how many batches slots will take these, up to the number of idle slots."""
        count, left, task_type = 0, 0, ""
        for run in runs:
            if not left or run.task_type != task_type:
                count += 1
                if count >= self._idle:
                    break
                left, task_type = self._batch_limit(run), run.task_type
            left -= 1
        return count

    def take(self, runs: list[Run]) -> bool:
        """Waits for work and adds it to `runs`: one, or several of one short type; returns False once the queue is
        closed.

        If it is interrupted, no run is lost.
        """
        with self._condition:
            while True:
                if self._is_closed:
                    return False
                for waiting in self._waiting.values():
                    if waiting:
                        self._take_from(waiting, runs)
                        if any(self._waiting.values()):
                            self._condition.notify()  # it took less than was thought when they were put here
                        return True
                self._idle += 1
                try:
                    self._condition.wait()
                finally:
                    self._idle -= 1

    def _take_from(self, waiting: deque[Run], runs: list[Run]) -> None:
        first = waiting[0]
        limit = self._batch_limit(first)
        while len(runs) < limit and waiting and waiting[0].task_type == first.task_type:
            runs.append(waiting[0])
            waiting.popleft()

    def remove(self, pair: Pair) -> bool:
        """Removes one run; returns False if it is not here."""
        with self._condition:
            for waiting in self._waiting.values():
                for run in waiting:
                    if (run.task_id, run.attempt) == pair:
                        waiting.remove(run)
                        return True
        return False

    def clear(self) -> list[Pair]:
        """Removes and returns everything."""
        with self._condition:
            runs = [run for waiting in self._waiting.values() for run in waiting]
            for waiting in self._waiting.values():
                waiting.clear()
        return [(run.task_id, run.attempt) for run in runs]

    def close(self) -> list[Pair]:
        """Ends every `take`; returns the runs still waiting."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()
        return self.clear()


class RunTimes:
    """The mean run time in seconds of each type on this agent, exponentially smoothed."""

    def __init__(self) -> None:
        self._means: dict[str, float] = {}
        self.largest_batch = MAX_BATCH

    def note(self, task_type: str, run_seconds: float) -> None:
        mean = self._means.get(task_type)
        self._means[task_type] = run_seconds if mean is None else mean + SMOOTHING * (run_seconds - mean)

    def batch_limit(self, run: Run) -> int:
        """Returns how many runs of this one's type a slot may take at a time."""
        mean = self._means.get(run.task_type)
        if mean is None or mean > SHORT_SECONDS:
            return 1
        return min(self.largest_batch, int(BATCH_SECONDS / max(mean, 1e-6)))

    def are_short(self, runs: Sequence[Run]) -> bool:
        """Returns True if all of these are of types that a slot may take several of."""
        return all(self.batch_limit(run) > 1 for run in runs)
