"""Prepares this process to run a command, and ends it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from taskyard.core.private_files import keep_files_private
from taskyard.worker.process.last_threads import ending_despite_threads


@contextmanager
def running_command() -> Iterator[None]:
    """Runs a command with files of its own, and output that takes every character; ends despite its threads."""
    keep_files_private()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the shell closed it: `>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that can't show all characters
    with ending_despite_threads():
        yield
