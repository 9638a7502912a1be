"""Tracks attempts that can't be stopped. Their ends are reported when they have stopped running, or the agent ends.

Reported at once, such an attempt could be started again elsewhere while its thread still runs here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from taskyard.core.protocol import Done, Pair, Run

# How long after its timeout the end of one is reported at the latest: before the leader settles it by itself.
REPORT_AFTER_SECONDS = 12.0


class StuckAttempts:
    """The attempts of an agent whose threads do not return. Thread-safe; `report` reports the end of one."""

    def __init__(self, report: Callable[[Done, Pair], None]) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._running: set[Pair] = set()
        self._unreported: dict[Pair, tuple[Done, float]] = {}  # with its due time (monotonic seconds)

    def __len__(self) -> int:
        """Returns how many of their threads still run."""
        return len(self._running)

    def add(self, run: Run, done: Done) -> None:
        """Keeps the end of an attempt, `done.run_seconds` after its start."""
        pair = (run.task_id, run.attempt)
        due_at = time.monotonic() + max(0.0, run.timeout_seconds + REPORT_AFTER_SECONDS - done.run_seconds)
        with self._lock:
            self._running.add(pair)
            self._unreported[pair] = (done, due_at)

    def leave(self, pair: Pair) -> None:
        """Removes an attempt whose thread returned after all; does nothing if it was not stuck."""
        if pair not in self._running:  # without the lock, since every attempt comes by here
            return
        with self._lock:
            self._running.discard(pair)
        self._report_ends([pair])

    def report_due(self) -> None:
        """Reports the ends that can't wait any longer."""
        now = time.monotonic()
        with self._lock:
            due = [pair for pair, (_, due_at) in self._unreported.items() if now >= due_at]
        self._report_ends(due)

    def report_all(self) -> list[Pair]:
        """Reports every unreported end, since the process ends now; returns all that still run."""
        with self._lock:
            running, untold = list(self._running), list(self._unreported)
        self._report_ends(untold)
        return running

    def _report_ends(self, pairs: list[Pair]) -> None:
        for pair in pairs:
            with self._lock:
                done, _ = self._unreported.pop(pair, (None, 0.0))
            if done is not None:
                self._report(done, pair)
