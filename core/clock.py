"""Provides the time, so that all other code takes it as an argument and tests can freeze it."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """The machine's clocks. `now` is wall time (aware, UTC); `monotonic` never goes back (seconds)."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class DatabaseClock(Clock):
    """The database's time, advanced by elapsed time since it was last read, independent of this host's clock.

    Until the first reading, `now` is this host's time.
    """

    def __init__(self) -> None:
        self._read: tuple[float, float] | None = None  # the database's epoch seconds, and our monotonic ones then

    def note(self, database_now: float) -> None:
        """Sets the database's time in epoch seconds."""
        self._read = (database_now, self.monotonic())

    def now(self) -> datetime:
        if self._read is None:
            return super().now()
        then, at = self._read
        return datetime.fromtimestamp(then + (self.monotonic() - at), UTC)
