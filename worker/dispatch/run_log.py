"""Records the ends of attempts, cheaply, for whoever learns from them."""

from __future__ import annotations

from collections import deque

MAX_UNREAD = 2_000  # the last ones: a sample suffices

# An attempt that ended: its task, its agent's id, its run time in seconds, and its error class (empty: it succeeded).
Run = tuple[str, str, float, str]


class RunLog:
    """Written by the dispatcher's thread, read by the learner's."""

    def __init__(self) -> None:
        self._runs: deque[Run] = deque(maxlen=MAX_UNREAD)
        self.add = self._runs.append

    def take(self) -> list[Run]:
        """Returns the last ones since the last call, oldest first."""
        taken = []
        while self._runs:
            taken.append(self._runs.popleft())
        return taken
