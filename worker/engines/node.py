"""Runs a seat's command on a node, from inside an engine's own process there. Only the standard library is imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO

CLOSE_SECONDS = 5.0
WORDS_BYTES = 2000  # of what a seat said last


def run_seat(arguments: Sequence[str], variables: Mapping[str, str]) -> str:
    """Runs a seat until it ends; returns why it did, empty if it was told to.

    The seat ends with the thread that calls this, and with this process.
    """
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    with tempfile.TemporaryFile() as said:
        code = subprocess.call(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": paths, **variables},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        return "" if code == 0 else ended_text(code, last_words(said))


def last_words(said: IO[bytes]) -> str:
    """Returns the end of what a seat has written."""
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - WORDS_BYTES))
    return said.read().decode("utf-8", "replace").strip()


def ended_text(code: int, words: str) -> str:
    """Returns how a process ended, and the last line that it wrote."""
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    last = words.splitlines()[-1] if words else ""
    return f"its process {how}: {last}" if last else f"its process {how}"
