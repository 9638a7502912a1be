"""A clock that tests hold still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from taskyard.core.clock import Clock


class FakeClock(Clock):
    """A clock that stands still until it is told to advance."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 1_000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Moves both clocks ahead by `seconds`."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
