"""`taskyard prove --people`, in short: some of what people do, and the promise is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import REPOSITORY

ACTS = ("bytes", "code", "freeze", "junk", "operate", "redis")


@pytest.mark.slow
def test_some_of_what_people_do(tmp_path: Path, data_dir: Path) -> None:
    found = tmp_path / "found.json"
    command = [sys.executable, "-m", "worker", "prove", "--people", "--cycles", str(len(ACTS)), "--seed", "5"]
    command += ["--json", str(found), *(word for act in ACTS for word in ("--act", act))]
    environment = {**os.environ, "TASKYARD_DATA_DIR": str(data_dir)}
    run = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    findings = json.loads(found.read_text())
    assert findings["kept"] is True
    assert sum(findings["acts"].values()) == len(ACTS)


def test_an_act_that_nobody_knows_is_refused(data_dir: Path) -> None:
    command = [sys.executable, "-m", "worker", "prove", "--people", "--act", "sabotage"]
    environment = {**os.environ, "TASKYARD_DATA_DIR": str(data_dir)}
    run = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 2
    assert "'sabotage' is not accepted, expected one of lock, " in run.stderr
    assert "Traceback" not in run.stderr
