"""Whether a loop gets on: when it last completed a round, and what it waits for now. By elapsed time only."""

from __future__ import annotations

import time
from collections.abc import Callable

STEADY_SECONDS = 5.0  # rounds that complete between failures are no progress until there was none for so long


class LoopProgress:
    """Written by the loop's thread, read by any other."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._done_at = monotonic()
        self._step = "its first round"
        self._trouble = ""
        self._failed_at: float | None = None

    def begin(self, step: str) -> None:
        """The loop turns to a step, named by what it may have to wait for."""
        self._step = step

    def fail(self, trouble: str) -> None:
        """A round ended with this trouble."""
        self._trouble, self._failed_at = trouble, self._monotonic()

    def complete(self) -> None:
        """A round was completed."""
        now = self._monotonic()
        if self._failed_at is not None:
            if now - self._failed_at < STEADY_SECONDS:
                return
            self._trouble, self._failed_at = "", None
        self._done_at = now

    @property
    def stalled_seconds(self) -> float:
        """Since the last completed round."""
        return self._monotonic() - self._done_at

    @property
    def waits_for(self) -> str:
        """What the loop waits for, with what went wrong last if it did."""
        return f"{self._step}: {self._trouble}" if self._trouble else self._step
