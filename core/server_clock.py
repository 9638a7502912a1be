"""Keeps the database's time on a host whose own clock may be wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from taskyard.core.clock import Clock

ASK_AGAIN_SECONDS = 30.0


class ServerClock(Clock):
    """The database's time as last read, advanced by elapsed time; this host's time until the first reading.

    Changes of the host's clock have no effect. Every method is thread-safe.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = monotonic
        self._known: tuple[datetime, float] | None = None  # the database's time, and when it was read (elapsed seconds)

    @property
    def is_due(self) -> bool:
        """Returns True if the time should be read again."""
        return self._known is None or self._elapsed() - self._known[1] >= ASK_AGAIN_SECONDS

    def now(self) -> datetime:
        known = self._known
        if known is None:
            return super().now()
        return known[0] + timedelta(seconds=self._elapsed() - known[1])

    def set_from(self, ask: Callable[[], datetime]) -> None:
        """Reads the database's time, assumed to be that of the middle of the query."""
        began = self._elapsed()
        answer = ask()
        self._known = answer.astimezone(UTC), (began + self._elapsed()) / 2
