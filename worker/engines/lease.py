"""Keeps a seat's lease: the kernel ends the seat when it did not hear of its agent for too long.

The lease runs from when the beat was *sent* that the agent has answered last. The agent gives the seat up later than
that, counted from when it heard the beat, so however slow the network is, the seat has ended before. A timer of the
kernel ends it, so that neither a handler that keeps the interpreter lock nor a stopped process outlives its lease:
a stopped one ends in the moment it is continued.
"""

from __future__ import annotations

import signal
import threading
from time import monotonic


class Lease:
    """A seat's lease; a process has one."""

    def __init__(self, seconds: float) -> None:
        """Starts the lease now."""
        self._seconds = seconds
        self._lock = threading.Lock()
        self._sent: dict[int, float] = {}  # when each beat without an answer was sent (monotonic seconds)
        self._number = 0
        self._runs_from = monotonic()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        self._arm()

    def next_beat(self) -> int:
        """Returns the number of a beat that is sent now."""
        with self._lock:
            self._number += 1
            self._sent[self._number] = monotonic()
            return self._number

    def renew(self, number: int) -> None:
        """Continues the lease: that beat was answered."""
        with self._lock:
            sent_at = self._sent.pop(number, None)
            if sent_at is None or sent_at <= self._runs_from:
                return  # an answer that came twice, or late
            self._runs_from = sent_at
            self._sent = {other: at for other, at in self._sent.items() if other > number}
            self._arm()

    def _arm(self) -> None:
        rest = self._runs_from + self._seconds - monotonic()
        signal.setitimer(signal.ITIMER_REAL, max(rest, 1e-6))
