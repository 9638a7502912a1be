"""Restores the standard streams of a handler's process before each attempt, whatever the one before did to them."""

from __future__ import annotations

import ctypes
import io
import os
import sys
import threading
from contextlib import suppress


class StandardStreams:
    """Keeps the targets of standard output and error in descriptors unknown to handlers."""

    def __init__(self, output: int, errors: int) -> None:
        self._kept = {1: output, 2: errors}
        self._own: dict[int, io.TextIOWrapper] = {}
        self._flush_c = ctypes.CDLL(None).fflush

    def renew(self) -> None:
        """Restores descriptors 1 and 2, and replaces Python's streams if they were changed or closed."""
        for number, kept in self._kept.items():
            os.dup2(kept, number, inheritable=True)
        for number, name in ((1, "stdout"), (2, "stderr")):
            own = self._own.get(number)
            if own is None or own.closed or getattr(sys, name, None) is not own:
                self._own[number] = own = _text_stream(number)
                setattr(sys, name, own)
                setattr(sys, f"__{name}__", own)

    def flush(self) -> None:
        """Flushes the buffers of Python and C; streams that a handler broke keep theirs."""
        for stream in {sys.stdout, sys.stderr, *self._own.values()}:
            with suppress(Exception):
                stream.flush()
        if threading.active_count() == 1:  # another thread might hold a stream of C for good
            self._flush_c(None)


def _text_stream(number: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        os.fdopen(number, "wb", closefd=False), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )
