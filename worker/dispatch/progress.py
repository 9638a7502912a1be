"""Tracks a loop's progress: its last completed round, and its current step. By elapsed time only."""

from __future__ import annotations

import time
from collections.abc import Callable

STEADY_SECONDS = 5.0  # rounds that complete between failures count as progress only after this long without a failure


class LoopProgress:
    """Written by the loop's thread, read by any other."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._done_at = monotonic()
        self._step = "its first round"
        self._trouble = ""
        self._failed_at: float | None = None

    def begin(self, step: str) -> None:
        """Records the loop's next step, named by what it may have to wait for."""
        self._step = step

    def fail(self, trouble: str) -> None:
        """Records that a round failed with this trouble."""
        self._trouble, self._failed_at = trouble, self._monotonic()

    def complete(self) -> None:
        """Records a completed round."""
        now = self._monotonic()
        if self._failed_at is not None:
            if now - self._failed_at < STEADY_SECONDS:
                return
            self._trouble, self._failed_at = "", None
        self._done_at = now

    @property
    def stalled_seconds(self) -> float:
        """Returns the seconds since the last completed round."""
        return self._monotonic() - self._done_at

    @property
    def waits_for(self) -> str:
        """Returns the loop's current step, with the last trouble if there was one."""
        return f"{self._step}: {self._trouble}" if self._trouble else self._step
