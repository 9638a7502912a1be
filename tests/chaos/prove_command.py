"""Runs `taskyard prove` as its users do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.servers import REPOSITORY

PROVE = (sys.executable, "-m", "worker", "prove")


def environment(data_dir: Path) -> dict[str, str]:
    """The variables of a run whose servers and records are in a folder."""
    return {**os.environ, "TASKYARD_DATA_DIR": str(data_dir)}


def prove(data_dir: Path, *arguments: str, timeout_seconds: float) -> subprocess.CompletedProcess[str]:
    """Runs it to its end."""
    return subprocess.run(
        [*PROVE, *arguments],
        cwd=REPOSITORY,
        env=environment(data_dir),
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
