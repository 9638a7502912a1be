"""The database's time on a host whose own clock may be wrong: what was asked last, and what has passed since."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from taskyard.core.clock import Clock

ASK_AGAIN_SECONDS = 30.0


class ServerClock(Clock):
    """Tells the database's time as last asked, carried on by elapsed time; this host's own until it was asked once.

    A host clock that is stepped changes nothing of it. Every method may be called from any thread.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = monotonic
        self._known: tuple[datetime, float] | None = None  # the database's time, and when that was (elapsed seconds)

    @property
    def is_due(self) -> bool:
        """Whether it is time to ask again."""
        return self._known is None or self._elapsed() - self._known[1] >= ASK_AGAIN_SECONDS

    def now(self) -> datetime:
        known = self._known
        if known is None:
            return super().now()
        return known[0] + timedelta(seconds=self._elapsed() - known[1])

    def set_from(self, ask: Callable[[], datetime]) -> None:
        """Asks for the database's time; it is taken to be that of the middle of the question."""
        began = self._elapsed()
        answer = ask()
        self._known = answer.astimezone(UTC), (began + self._elapsed()) / 2
