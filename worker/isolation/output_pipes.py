"""Reads standard output and error of a handler's process tree through two pipes."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Callable

from taskyard.worker.attempts.capture import STDERR, STDOUT

READ_BYTES = 64 << 10
LAST_READS = 16  # for output still in a pipe at an attempt's end; others may write on, so not for ever


class OutputPipes:
    """Both pipes. Output goes to `sink`; without one it is dropped."""

    def __init__(self) -> None:
        """Opens them. Raises OSError without free descriptors."""
        self.sink: Callable[[str, bytes], object] | None = None
        self._streams: dict[int, str] = {}
        self._write_ends: list[int] = []
        try:
            for stream in (STDOUT, STDERR):
                read_end, write_end = os.pipe()
                self._streams[read_end] = stream
                self._write_ends.append(write_end)
                os.set_blocking(read_end, False)
        except OSError:
            self.close()
            raise

    @property
    def write_ends(self) -> list[int]:
        """Returns the descriptors for the process: standard output, standard error."""
        return list(self._write_ends)

    def close_write_ends(self) -> None:
        """Closes this process's copies of the write ends."""
        while self._write_ends:
            os.close(self._write_ends.pop())

    def register(self, poll: select.poll) -> None:
        """Registers both pipes with a poll."""
        for read_end in self._streams:
            poll.register(read_end, select.POLLIN)

    def read(self, ready: set[int], poll: select.poll) -> None:
        """Reads a portion of what a poll found ready. A pipe without writers leaves the poll."""
        for read_end in self._streams.keys() & ready:
            if not self._read(read_end):
                poll.unregister(read_end)

    def drain(self) -> None:
        """Reads everything that is available."""
        for read_end in self._streams:
            for _ in range(LAST_READS):
                if not self._read(read_end):
                    break

    def close(self) -> None:
        """Closes this process's ends."""
        self.close_write_ends()
        while self._streams:
            os.close(self._streams.popitem()[0])

    def _read(self, read_end: int) -> bool:
        with contextlib.suppress(BlockingIOError):
            data = os.read(read_end, READ_BYTES)
            if self.sink is not None and data:
                self.sink(self._streams[read_end], data)
            return bool(data)
        return False
