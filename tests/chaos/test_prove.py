"""`taskyard prove`, in short: every kind of death, and the promise is kept."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from taskyard.worker.devtools.clusters.cluster import CLUSTERS
from taskyard.worker.devtools.prove import plan
from tests.chaos.prove_command import PROVE, environment, prove
from tests.engine_extras import skip_without
from tests.servers import REPOSITORY, wait_until

CYCLES = 2 * len(plan.KINDS)


@pytest.mark.slow
def test_every_kind_of_death_twice(tmp_path: Path, data_dir: Path) -> None:
    found = tmp_path / "found.json"
    run = prove(data_dir, "--cycles", str(CYCLES), "--seed", "5", "--json", str(found), timeout_seconds=240)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "The promise was kept." in run.stdout
    findings = json.loads(found.read_text())
    assert findings["kept"] is True
    assert findings["kills"] == dict.fromkeys(plan.KINDS, 2)
    assert findings["counts"]["tasks accepted"] > CYCLES
    assert not list(data_dir.glob("prove-*")), "what a kept promise leaves is removed"


@pytest.mark.slow
def test_the_api_dies_under_its_clients(tmp_path: Path, data_dir: Path) -> None:
    found = tmp_path / "found.json"
    options = ["--kind", "api", "--cycles", "4", "--seed", "5", "--json", str(found)]
    run = prove(data_dir, *options, timeout_seconds=240)
    assert run.returncode == 0, run.stdout + run.stderr
    findings = json.loads(found.read_text())
    assert findings["kills"] == {**dict.fromkeys(plan.KINDS, 0), "api": 4}
    assert findings["clients"]["accepted"] > 4
    assert findings["clients"]["cut_off"] > 0, "no death met a request, so nothing was proved"
    assert findings["counts"]["doubled"] == findings["counts"]["lost"] == 0


@pytest.mark.parametrize("arguments", [["--kind", "dashboard"], ["--people", "--kind", "api"]])
def test_a_kind_that_is_not_killed_is_refused(arguments: list[str], data_dir: Path) -> None:
    run = prove(data_dir, *arguments, timeout_seconds=60)
    assert run.returncode == 2
    assert "--kind" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("arguments", [["--engine", "spark"], ["--people", "--engine", "ray"]])
def test_an_engine_that_can_t_be_killed_is_refused(arguments: list[str], data_dir: Path) -> None:
    run = prove(data_dir, *arguments, timeout_seconds=60)
    assert run.returncode == 2
    assert "--engine" in run.stderr
    assert "Traceback" not in run.stderr
    assert not data_dir.exists()


@pytest.mark.slow
@pytest.mark.engines
@pytest.mark.parametrize("engine", CLUSTERS)
def test_seats_and_nodes_of_an_engine_die(engine: str, tmp_path: Path, data_dir: Path) -> None:
    skip_without(engine)
    found = tmp_path / "found.json"
    options = ["--engine", engine, "--kind", "seat", "--kind", "node", "--cycles", "6", "--json", str(found)]
    run = prove(data_dir, *options, timeout_seconds=600)
    assert run.returncode == 0, run.stdout + run.stderr
    findings = json.loads(found.read_text())
    assert findings["kills"] == {**dict.fromkeys(plan.KINDS, 0), "seat": 3, "node": 3}
    assert findings["counts"]["tasks accepted"] > 6
    assert findings["counts"]["run twice"] == findings["counts"]["lost"] == 0


@pytest.mark.slow
def test_ctrl_c_ends_the_killing_and_counts(tmp_path: Path, data_dir: Path) -> None:
    found = tmp_path / "found.json"
    command = [*PROVE, "--minutes", "10", "--cycles", "0", "--json", str(found)]
    run = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment(data_dir), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: any(path.stat().st_size for path in data_dir.glob("prove-*/accepted.jsonl")), 60)
        run.send_signal(signal.SIGINT)
        said, errors = run.communicate(timeout=120)
    finally:
        run.kill()
    assert run.returncode == 0, said + errors
    assert json.loads(found.read_text())["counts"]["tasks accepted"] > 0


@pytest.mark.parametrize("arguments", [["--cycles", "0"], ["--cycles", "-1"], ["--minutes", "-1"]])
def test_a_run_without_an_end_is_refused(arguments: list[str], data_dir: Path) -> None:
    run = prove(data_dir, *arguments, timeout_seconds=60)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
    assert not data_dir.exists()
