"""Runs `taskyard run` without the library that reads command lines and writes help.

That one takes 0.15 s to load, which is a fifth of the time until the first task, and memory as long as the worker runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from taskyard.core.lean_imports import load_structlog_alone
from taskyard.worker.cli.exits import ending
from taskyard.worker.cli.program import running_command

FLAGS = ("dashboard", "demo", "migrate")  # those of the command in run.py


def is_plain(arguments: Sequence[str]) -> bool:
    """Returns True if the program's arguments are `run` and flags of it: anything else needs the library."""
    return arguments[:1] == ["run"] and set(arguments[1:]) <= {f"--{flag}" for flag in FLAGS}


def main(arguments: Sequence[str]) -> None:
    """Runs the worker as these arguments say, and exits."""
    load_structlog_alone()
    with running_command(), ending():
        from taskyard.core.config import load_settings
        from taskyard.worker.start import run_worker

        sys.exit(run_worker(load_settings(), **{flag: f"--{flag}" in arguments for flag in FLAGS}))
