"""Finds processes that a run has left behind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from taskyard.worker.devtools.prove.tasks import LEDGER_VARIABLE


def orphans(ledger: Path, is_ours: Callable[[psutil.Process], bool]) -> list[str]:
    """Returns running processes with this ledger that are ours: those of workers and agents, not of servers."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            has_ledger = process.environ().get(LEDGER_VARIABLE) == str(ledger)
            if has_ledger and process.status() != psutil.STATUS_ZOMBIE and is_ours(process):
                found.append(f"{process.pid} {' '.join(process.cmdline())[:80]}")
    return found
