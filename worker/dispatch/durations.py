"""Remembers how long tasks of each type take, and how large their inputs are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from taskyard.core.postgres.store.tick import Claimed
from taskyard.worker.dispatch.run_log import RunLog

# The minimum cost of a task on its way through an agent, whatever its handler takes.
MIN_SECONDS = 25e-6
SMOOTHING = 0.05
FIRST_CLAIMS = 16  # of a type whose inputs are unknown
SIZE_FADING = 0.9  # of the largest input, with each tick that claims the type
UNKNOWN_SECONDS = 3600.0


@dataclass(slots=True)
class Durations:
    """The mean run time in seconds of each type, exponentially smoothed; unknown types count as long."""

    means: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)  # bytes of the largest inputs of late
    runs: RunLog = field(default_factory=RunLog)

    def at_once(self, task_type: str, limit_bytes: int) -> int:
        """Returns how many tasks of a type one tick may claim so that their inputs stay below a limit (at least 1)."""
        size = self.sizes.get(task_type)
        return FIRST_CLAIMS if size is None else max(1, int(limit_bytes / max(size, 1.0)))

    def note_inputs(self, claimed: Iterable[Claimed]) -> None:
        """Records the size of inputs; a large one counts for a while."""
        largest: dict[str, int] = {}
        for row in claimed:
            largest[row.type] = max(largest.get(row.type, 0), len(row.input))
        for task_type, size in largest.items():
            self.sizes[task_type] = max(float(size), self.sizes.get(task_type, 0.0) * SIZE_FADING)

    def expected(self, task_type: str) -> float:
        return self.means.get(task_type, UNKNOWN_SECONDS)

    def note(self, task_type: str, run_seconds: float) -> None:
        mean = self.means.get(task_type)
        seconds = run_seconds + MIN_SECONDS
        self.means[task_type] = seconds if mean is None else mean + SMOOTHING * (seconds - mean)
