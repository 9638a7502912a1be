"""`taskyard soak`, in short: it works, and its table says what was seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import REPOSITORY


@pytest.mark.slow
def test_a_short_soak_leaves_nothing(data_dir: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "worker", "soak", "--minutes", "0.15", "--rate", "50"],
        cwd=REPOSITORY,
        env={**os.environ, "TASKYARD_DATA_DIR": str(data_dir), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in run.stderr
    for kind in ("workers", "supervisor", "agents", "redis", "postgres"):
        assert f"│ {kind}" in run.stdout, run.stdout + run.stderr
    assert "left: 0 results, 0 inbox entries, 0 ready tasks, 0 due tasks" in run.stdout
    assert "still running" not in run.stdout
    assert not list(data_dir.glob("prove-*"))
