"""Tracks how far the sweep of unfinished rows is (P8)."""

from __future__ import annotations

from taskyard.core.postgres.store.recovery import NIL
from taskyard.worker.dispatch.batch import Sweep

SWEEP_SLICE = 2_000
REBUILD_SLICE = 10_000


class SweepPosition:
    """Goes through all rows again and again; `is_rebuilding` until the first whole round after `rebuild`."""

    def __init__(self) -> None:
        self.is_rebuilding = False
        self._after: str | None = None

    def rebuild(self) -> None:
        """Sweeps everything as fast as possible: Redis was wiped, or a new leader begins."""
        self.is_rebuilding = True
        self._after = None

    def next_slice(self) -> Sweep:
        """Returns the next slice of unfinished rows."""
        return Sweep(self._after or NIL, REBUILD_SLICE if self.is_rebuilding else SWEEP_SLICE)

    def note(self, next_after: str | None) -> None:
        """Stores where the following slice begins; None: all were seen."""
        self._after = next_after
        if next_after is None:
            self.is_rebuilding = False
