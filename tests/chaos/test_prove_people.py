"""`taskyard prove --people`, in short: some of what people do, and the promise is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chaos.prove_command import prove

ACTS = ("bytes", "code", "freeze", "junk", "operate", "redis")


@pytest.mark.slow
def test_some_of_what_people_do(tmp_path: Path, data_dir: Path) -> None:
    found = tmp_path / "found.json"
    options = ["--people", "--cycles", str(len(ACTS)), "--seed", "5", "--json", str(found)]
    options += [word for act in ACTS for word in ("--act", act)]
    run = prove(data_dir, *options, timeout_seconds=300)
    assert run.returncode == 0, run.stdout + run.stderr
    findings = json.loads(found.read_text())
    assert findings["kept"] is True
    assert sum(findings["acts"].values()) == len(ACTS)


def test_an_act_that_nobody_knows_is_refused(data_dir: Path) -> None:
    run = prove(data_dir, "--people", "--act", "sabotage", timeout_seconds=60)
    assert run.returncode == 2
    assert "'sabotage' is not accepted, expected one of lock, " in run.stderr
    assert "Traceback" not in run.stderr
