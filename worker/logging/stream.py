"""Writes log lines without affecting the code that logs: a closed or blocked stream loses lines, which are counted."""

from __future__ import annotations

import os
import select
import threading
from typing import IO

PATIENCE_SECONDS = 1.0  # for a stalled reader, before its lines are dropped
CHUNK_BYTES = select.PIPE_BUF  # a pipe that is ready takes so much without blocking


class LogStream:
    """A text stream for structlog. It never raises, and delays a caller by at most PATIENCE_SECONDS."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._is_blocked = False
        self.lost_lines = 0  # by this process so far

    def is_for(self, stream: IO[str]) -> bool:
        """Returns True if it writes to this stream."""
        return self._stream is stream

    def write(self, text: str) -> int:
        """Writes a line or drops it."""
        with self._lock:
            try:
                self._write(text.encode("utf-8", "backslashreplace"))
            except (OSError, ValueError):  # closed, or the disk behind it is full: it can't be reported
                self.lost_lines += 1
        return len(text)

    def flush(self) -> None:
        """Does nothing: every line is written at once."""

    def _write(self, data: bytes) -> None:
        descriptor = self._stream.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        for start in range(0, len(data), CHUNK_BYTES):
            if not poll.poll(0 if self._is_blocked else PATIENCE_SECONDS * 1000):
                self._is_blocked = True
                raise BlockingIOError("the log's reader is blocked")
            self._is_blocked = False
            chunk = data[start : start + CHUNK_BYTES]
            while chunk:
                chunk = chunk[os.write(descriptor, chunk) :]
