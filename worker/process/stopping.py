"""Handles signals: the first asks for a stop, the second for one without grace, the third ends the process.

A separate thread receives them, because Python runs a handler only once its main thread returns from C, and that
may wait for a lock in PostgreSQL or a server that hangs.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType

from taskyard.core.threads import OnEscape, start_thread

HURRY_SECONDS = 3.0  # for an orderly end without grace
CLOSE_SECONDS = 20.0  # for what is left then: the embedded servers
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """SIGINT and SIGTERM of this process. `told` is set by the first."""

    def __init__(self) -> None:
        """Starts listening; from the main thread only."""
        self.received = threading.Event()
        self._hurried = threading.Event()
        self._stopped, self._closed = threading.Event(), threading.Event()
        self._hurry: Callable[[], object] = lambda: None
        self._close: Callable[[], object] = lambda: None
        self._code = 1
        self._reader, self._writer = socket.socketpair()
        self._reader.settimeout(None)
        self._writer.setblocking(False)
        # both threads start before they are needed: later there may be none available
        start_thread("signals", self._listen, OnEscape.GO_ON, is_essential=True)
        start_thread("hurry", self._end_at_once, OnEscape.GO_ON, is_essential=True, is_over=self._closed.is_set)
        for number in SIGNALS:
            signal.signal(number, _heard_elsewhere)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def on_hurry(self, hurry: Callable[[], object], close: Callable[[], object]) -> None:
        """Sets the effect of a second signal: `hurry` ends the stop under way; `close` ends what must not be left
        running.

        Both are called from another thread, `close` only if the stop did not end in time.
        """
        self._hurry, self._close = hurry, close

    def note_stopped(self) -> None:
        """Records that everything but the servers has ended in order."""
        self._stopped.set()

    def note_closed(self) -> None:
        """Records that the process is about to end by itself."""
        self._closed.set()

    def _listen(self) -> None:
        while data := self._reader.recv(64):
            for number in data:
                if number in SIGNALS:
                    self._hear(number)

    def _hear(self, number: int) -> None:
        if not self.received.is_set():
            self.received.set()
        elif not self._hurried.is_set():
            self._code = 128 + number
            self._hurried.set()
        else:
            os._exit(128 + number)

    def _end_at_once(self) -> None:
        self._hurried.wait()
        try:
            self._hurry()
            if self._stopped.wait(HURRY_SECONDS):
                self._closed.wait(CLOSE_SECONDS)
            else:
                self._close()
        finally:
            if not self._closed.is_set():
                os._exit(self._code)


def _heard_elsewhere(number: int, frame: FrameType | None) -> None:
    """Keeps the signal from ending the process; the interpreter writes a byte for it that wakes the thread."""
