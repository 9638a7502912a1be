"""Retries tasks whose claim PostgreSQL refuses or is too slow for, after growing pauses (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from taskyard.core.models import Waiting

FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 60.0
MAX_TASKS = 10_000  # the oldest are forgotten beyond it, and tried again


class Unclaimable:
    """The leader's memory of these tasks. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._tasks: dict[str, tuple[float, float]] = {}  # the last pause, and its end

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._tasks

    def note(self, refused: Iterable[str], claimed: Iterable[str], now: float) -> None:
        """Records what a commit refused and what it claimed."""
        for task_id in refused:
            last, _ = self._tasks.pop(task_id, (FIRST_PAUSE_SECONDS / 2, 0.0))
            seconds = min(2 * last, MAX_PAUSE_SECONDS)
            self._tasks[task_id] = seconds, now + seconds
        if self._tasks:
            for task_id in claimed:
                self._tasks.pop(task_id, None)
            while len(self._tasks) > MAX_TASKS:
                del self._tasks[next(iter(self._tasks))]

    def without_paused(self, waiting: list[Waiting], now: float) -> list[Waiting]:
        """Returns what may go into the queue now; the sweep brings the others again."""
        if not self._tasks:
            return waiting
        return [task for task in waiting if self._tasks.get(task.id, (0.0, 0.0))[1] <= now]
