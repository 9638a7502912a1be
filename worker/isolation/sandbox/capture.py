"""Reads a command's output, and keeps its beginning and its end."""

from __future__ import annotations

import os
import threading
from typing import IO

from taskyard.core.payload.printable_text import printable


class CommandOutput(threading.Thread):
    """Reads a pipe to its end and keeps the first and the last bytes, so that the writer never blocks."""

    def __init__(self, pipe: IO[bytes], keep_bytes: int) -> None:
        super().__init__(daemon=True)
        self._pipe, self._half = pipe, max(1, keep_bytes // 2)
        self._head, self._tail = bytearray(), bytearray()
        self._total_bytes = 0
        self.start()

    def run(self) -> None:
        while part := os.read(self._pipe.fileno(), 65536):
            self._total_bytes += len(part)
            room = self._half - len(self._head)
            self._head += part[:room]
            self._tail += part[room:]
            del self._tail[: -self._half]
        self._pipe.close()

    @property
    def truncated(self) -> bool:
        return self._total_bytes > 2 * self._half

    @property
    def text(self) -> str:
        """Returns the kept output; invalid UTF-8 and control characters appear as U+FFFD."""
        if not self.truncated:
            return printable(bytes(self._head + self._tail))
        left_out = self._total_bytes - 2 * self._half
        return f"{printable(bytes(self._head))}\n… {left_out:,} bytes left out …\n{printable(bytes(self._tail))}"
