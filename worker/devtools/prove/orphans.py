"""Finds processes that a run has left behind."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

from taskyard.worker.devtools.prove.tasks import LEDGER_VARIABLE


def orphans(ledger: Path) -> list[str]:
    """Returns running processes that workers and agents with this ledger started, apart from the servers."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            is_ours = process.environ().get(LEDGER_VARIABLE) == str(ledger)
            if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {' '.join(process.cmdline())[:80]}")
    return found
