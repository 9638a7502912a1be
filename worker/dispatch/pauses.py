"""Tracks parts of the tick's transaction whose tables were locked, and when each is tried again."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 1.0


@dataclass(slots=True)
class _Pause:
    since: float
    due: float
    seconds: float


class Pauses:
    """Times are monotonic seconds. The committing thread writes; others only read."""

    def __init__(self) -> None:
        self._parts: dict[str, _Pause] = {}

    def __bool__(self) -> bool:
        return bool(self._parts)

    def is_known(self, part: str) -> bool:
        """Returns True if the part was blocked the last time, and so is tried with a short timeout."""
        return part in self._parts

    def is_paused(self, part: str, now: float) -> bool:
        """Returns True if it is too early to try it again."""
        pause = self._parts.get(part)
        return pause is not None and now < pause.due

    def note(self, part: str, now: float) -> None:
        """Records that the part was blocked."""
        pause = self._parts.get(part)
        if pause is None:
            self._parts[part] = _Pause(now, now + FIRST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS)
            return
        pause.seconds = min(MAX_PAUSE_SECONDS, 2 * pause.seconds)
        pause.due = now + pause.seconds

    def clear(self, part: str) -> None:
        """Records that the part was done."""
        self._parts.pop(part, None)

    def since(self) -> dict[str, float]:
        """Returns the blocked parts, and since when."""
        return {part: pause.since for part, pause in list(self._parts.items())}
