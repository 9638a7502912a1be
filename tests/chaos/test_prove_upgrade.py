"""`taskyard prove --upgrade`, in short: the last release is replaced under kills, and the promise is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from taskyard.core.redis.mailbox import BURY
from taskyard.worker.devtools.prove.upgrade import plan
from taskyard.worker.devtools.prove.upgrade.pages import NEW, OLD, ROUNDS
from taskyard.worker.devtools.prove.upgrade.release import Release, last_release, named_release
from tests.chaos.prove_command import prove
from tests.servers import REPOSITORY

CYCLES, SEED = 9, 4
OF_AGENTS = ("report", "heartbeat")  # scripts that agents with credentials of their own run, and may not load
PRINT_BURY = "from taskyard.core.redis.mailbox import BURY; import sys; sys.stdout.write(BURY)"


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The last release, from the repository's history."""
    commit = named_release(REPOSITORY).commit
    found = subprocess.run(["git", "-C", str(REPOSITORY), "cat-file", "-e", f"{commit}^{{commit}}"], check=False)
    if found.returncode:
        pytest.skip(f"this clone has no commit {commit[:12]}, of which the last release was made: fetch its history")
    return last_release(tmp_path_factory.mktemp("released"))


@pytest.mark.slow
def test_the_last_release_is_replaced_while_it_works(release: Release, tmp_path: Path, data_dir: Path) -> None:
    found = tmp_path / "found.json"
    cache = data_dir / "released"
    cache.mkdir(parents=True)
    (cache / release.folder.name).symlink_to(release.folder)
    options = ["--upgrade", "--cycles", str(CYCLES), "--seed", str(SEED), "--json", str(found)]
    run = prove(data_dir, *options, timeout_seconds=400)
    assert run.returncode == 0, run.stdout + run.stderr
    findings = json.loads(found.read_text())
    assert findings["kept"] is True
    assert sum(findings["kills"].values()) == CYCLES
    steps = {one["step"]: (one["old"], one["new"]) for one in findings["steps"]}
    assert list(steps) == plan.steps(SEED)
    assert steps[plan.MIGRATE] == (5, 0), "all of the last release went on with the new schema"
    assert steps[plan.steps(SEED)[5]] == (0, 5), "nothing of it is left"
    assert list(steps.values())[-1] == (3, 2), "its agents work for this release's leader"
    pages = findings["pages"]
    assert set(pages) == {OLD, NEW}
    assert all(one["rounds"] >= ROUNDS and not one["problems"] for one in pages.values()), pages
    assert findings["counts"]["lost"] == findings["counts"]["run twice"] == findings["counts"]["doubled"] == 0


@pytest.mark.slow
def test_agents_of_both_releases_run_the_scripts_that_any_leader_loads(release: Release) -> None:
    for name in OF_AGENTS:
        place = Path("core") / "redis" / "lua" / f"{name}.lua"
        assert (REPOSITORY / place).read_text() == (release.folder / "taskyard" / place).read_text(), name
    said = subprocess.run(
        [sys.executable, "-c", PRINT_BURY],
        env={**os.environ, **release.variables()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == BURY


def test_a_wheel_alone_is_refused(data_dir: Path) -> None:
    for arguments, what in (
        (["--wheel", "x.whl"], "--wheel requires --upgrade"),
        (["--upgrade", "--people"], "neither --people nor --kind"),
        (["--upgrade", "--wheel", "no-such.whl"], "no-such.whl is no file"),
    ):
        run = prove(data_dir, *arguments, timeout_seconds=120)
        assert run.returncode == 2, run.stderr
        assert what in run.stderr
        assert "Traceback" not in run.stderr
