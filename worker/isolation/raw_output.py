"""Reads an agent process's descriptors 1 and 2 beside Python's streams, to keep them out of the structured log.

Programs that handlers start in threads, C code and threads without a run write there. The descriptors lead to a
file without a name, not to a pipe: a writer never waits for a reader, who may need the interpreter lock that the
writer holds. The file is read soon, both ends of what is more than CHUNK_BYTES at a time, and emptied. The output
belongs to the attempt that runs, if only one runs in this process; otherwise it becomes a line of the agent's own
log, which limits floods.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
import threading
from typing import TextIO

import structlog

from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.attempts.capture import HEAD_BYTES, LINE_BYTES, STDOUT, Capture

POLL_SECONDS = 0.2
CHUNK_BYTES = 64 << 10
EMPTIED_BYTES = 1 << 20  # disk space of read output is freed from here on …
MAX_BYTES = 64 << 20  # … and from here on even while somebody writes
LINE_CHARACTERS = 2_000  # of one line of the agent's log

# `os.fstat` gives the interpreter lock away, twice in every attempt, and a busy thread waits long to get it back
_seek = ctypes.PyDLL(None).lseek
_seek.restype = ctypes.c_long
_NO_OFFSET = ctypes.c_long(0)

log = structlog.get_logger(__name__)


class RawOutput:
    """Takes over descriptors 1 and 2; `log_stream` is their old target, for the structured log alone."""

    def __init__(self) -> None:
        """Opens the file. Raises OSError without room, or a free descriptor, for it."""
        self._reading, path = tempfile.mkstemp(prefix="taskyard-output-")
        try:
            # appending, so that what is written after the file was emptied is at its beginning
            self._writing = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        finally:
            os.unlink(path)
        self.log_stream: TextIO = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
        self._read_bytes = 0
        self._lock = threading.Lock()
        self._users: list[Capture] = []
        self._is_over = threading.Event()

    def take_over(self) -> None:
        """Redirects the descriptors, so that what is written to them is read here."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number in (1, 2):
            os.dup2(self._writing, number, inheritable=True)
        start_thread("raw-output", self._read_on, OnEscape.GO_ON, is_over=self._is_over.is_set)

    def begin(self, capture: Capture) -> None:
        """Starts an attempt in this process."""
        self.read()
        self._users.append(capture)

    def end(self, capture: Capture) -> None:
        """Ends an attempt; all its output has been read when this returns."""
        self.read()
        self._users.remove(capture)

    def read(self) -> None:
        """Passes on new output."""
        if self._size_bytes() == self._read_bytes:  # without the lock, since every attempt comes by here twice
            return
        with self._lock:
            size = self._size_bytes()
            new_bytes = size - self._read_bytes
            if new_bytes <= 0:
                return
            first = os.pread(self._reading, min(HEAD_BYTES, new_bytes), self._read_bytes)
            start = max(self._read_bytes + len(first), size - CHUNK_BYTES)
            data = os.pread(self._reading, size - start, start)
            if left_out_bytes := start - self._read_bytes - len(first):
                first = first[: first.rfind(b"\n") + 1 or None]  # whole lines
                data = data[data.find(b"\n", 0, LINE_BYTES) + 1 :]
                left_out_bytes = new_bytes - len(first) - len(data)
            is_quiet = self._size_bytes() == size  # output in between would be lost
            if is_emptied := size >= (EMPTIED_BYTES if is_quiet else MAX_BYTES):
                os.ftruncate(self._reading, 0)
            users = list(self._users)
            self._read_bytes = 0 if is_emptied else size
        if len(users) == 1:
            users[0].write(STDOUT, first)
            users[0].leave_out(left_out_bytes)
            users[0].write(STDOUT, data)
        else:
            newest = data if left_out_bytes else first + data
            text = newest.decode("utf-8", "backslashreplace")
            left_out_bytes = new_bytes - len(newest) + len(text[:-LINE_CHARACTERS])
            log.info("agent.output", text=text[-LINE_CHARACTERS:], left_out_bytes=left_out_bytes, attempts=len(users))

    def _size_bytes(self) -> int:
        """Returns the size of the file. Raises OSError if a handler has closed it."""
        size: int = _seek(self._reading, _NO_OFFSET, os.SEEK_END)
        return size if size >= 0 else os.fstat(self._reading).st_size

    def close(self) -> None:
        """Reads what is left."""
        self._is_over.set()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self.read()

    def _read_on(self) -> None:
        while not self._is_over.wait(POLL_SECONDS):
            self.read()
