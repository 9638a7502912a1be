"""Holds starts back for a moment, and tracks the entries of the results stream that they keep there."""

from __future__ import annotations

from typing import NamedTuple

# A start younger than this waits for its end, so that a short task is one update instead of two.
START_DELAY_SECONDS = 0.05


class HeldStart(NamedTuple):
    """A start held back; `since` is in monotonic seconds, `at` in epoch seconds."""

    attempt: int
    since: float
    at: float
    entry: bytes


class HeldStarts:
    """Held starts by task. An entry may hold several of them, and is needed as long as one of them is held."""

    def __init__(self) -> None:
        self._starts: dict[str, HeldStart] = {}  # in the order of arrival
        self._entries: dict[bytes, int] = {}  # entry → how many starts it still holds

    def __bool__(self) -> bool:
        return bool(self._starts)

    def keeps(self, entry: bytes) -> bool:
        """Returns True if a start of this entry is held."""
        return entry in self._entries

    def attempt_of(self, task_id: str) -> int | None:
        """Returns the attempt of this task whose start is held."""
        held = self._starts.get(task_id)
        return None if held is None else held.attempt

    def hold(self, task_id: str, start: HeldStart) -> None:
        """Holds a start back."""
        self._starts[task_id] = start
        self._entries[start.entry] = self._entries.get(start.entry, 0) + 1

    def release(self, task_id: str) -> tuple[HeldStart, bool]:
        """Releases the start of this task; returns it, and whether its entry is free now."""
        start = self._starts.pop(task_id)
        self._entries[start.entry] -= 1
        is_free = not self._entries[start.entry]
        if is_free:
            del self._entries[start.entry]
        return start, is_free

    def due(self, now: float) -> list[str]:
        """Returns the tasks whose starts were held for long enough."""
        found = []
        for task_id, start in self._starts.items():
            if now - start.since < START_DELAY_SECONDS:
                break
            found.append(task_id)
        return found
