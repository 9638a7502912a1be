"""Keeps a seat's lease: the seat is ended when it did not hear of its agent for too long.

The lease runs from when the beat was *sent* that the agent has answered last. The agent gives the seat up later than
that, counted from when it heard the beat, so however slow the network is, the seat has ended before. The keeper kills
the seat, also one that is stopped or whose handler keeps the interpreter lock. If the keeper can't, a timer of the
kernel does; after a pause of the whole node, in the moment in which it goes on.
"""

from __future__ import annotations

import mmap
import signal
import struct
import threading
from time import monotonic

_ENDS_AT = struct.Struct("=d")


class LeaseEnd:
    """When a seat's lease ends, in memory that the seat shares with its keeper; see CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _ENDS_AT.size)

    def set(self, at: float) -> None:
        """Stores the time (monotonic seconds), in one piece."""
        self._memory[:] = _ENDS_AT.pack(at)

    def rest_seconds(self) -> float | None:
        """Returns how long the lease still runs, not above 0 if it is over; None before it has begun."""
        (at,) = _ENDS_AT.unpack(self._memory[:])
        return at - monotonic() if at else None


class Lease:
    """A seat's lease; a process has one."""

    def __init__(self, seconds: float, end: LeaseEnd) -> None:
        """Starts the lease now."""
        self._seconds, self._end = seconds, end
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
        ends_at = self._runs_from + self._seconds
        self._end.set(ends_at)
        signal.setitimer(signal.ITIMER_REAL, max(ends_at - monotonic(), 1e-6))
