"""Limits how often each sender may ask, by token buckets (https://en.wikipedia.org/wiki/Token_bucket)."""

from __future__ import annotations

BURST_SECONDS = 10.0  # for which a sender that asked nothing may ask all at once
MAX_SENDERS = 10_000


class Rates:
    """The senders that asked lately; in memory, so each process counts by itself."""

    def __init__(self, per_second: float) -> None:
        """Allows `per_second` requests of each sender; 0 allows any number."""
        self._per_second = per_second
        self._burst = max(1.0, per_second * BURST_SECONDS)
        self._left: dict[bytes, tuple[float, float]] = {}  # requests left, and when that was counted

    def wait_seconds(self, sender: bytes, now: float) -> float:
        """Returns 0 and counts the request, or how long its sender must wait; `now` is monotonic."""
        if not self._per_second:
            return 0.0
        left, counted_at = self._left.get(sender, (self._burst, now))
        left = min(self._burst, left + (now - counted_at) * self._per_second)
        if left < 1:
            return (1 - left) / self._per_second
        if sender not in self._left and len(self._left) >= MAX_SENDERS:
            self._forget(now)
        self._left[sender] = (left - 1, now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Drops senders whose buckets are full again, or else the one that asked first."""
        full = [s for s, (left, at) in self._left.items() if left + (now - at) * self._per_second >= self._burst]
        for sender in full or [next(iter(self._left))]:
            del self._left[sender]
