"""The wheel, as its user has it: in an environment without the checkout, in an empty folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.environments import TASKS, run
from tests.servers import wait_until

POOL = """
[[agents]]
kind = "all"
count = 2
types = ["*"]
max_concurrency = 3
"""


@pytest.fixture
def running(program: Path, environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`taskyard run --dashboard --demo` in a folder with nothing but a module and a pool; it writes into `log`."""
    (folder / "my_tasks.py").write_text(TASKS)
    (folder / "pool.toml").write_text(POOL)
    with (folder / "log").open("wb") as log:
        command = [program, "run", "--dashboard", "--demo"]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_it_runs_in_an_empty_folder(
    running: subprocess.Popen[bytes], program: Path, environment: dict[str, str], folder: Path
) -> None:
    log = folder / "log"
    wait_until(lambda: "Taskyard is up" in log.read_text() or running.poll() is not None, 90, "it is up")
    assert running.poll() is None, log.read_text()
    assert (folder / ".data").is_dir()
    url = re.search(r"up: (\S+)", log.read_text())
    assert url is not None
    with urllib.request.urlopen(url[1], timeout=10) as page:
        assert page.status == 200

    done = run(
        program, "submit", "mine.double", "--input", '{"number": 21}', "--wait", "--json", cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stderr + log.read_text()
    assert json.loads(done.stdout)["output"] == {"number": 42}

    def is_tried() -> bool:
        answer = run(program, "list", "--limit", "10000", "--json", cwd=folder, env=environment)
        tasks = json.loads(answer.stdout)
        ended = {task["type"] for task in tasks if task["state"] in ("completed", "failed")}
        return ended == {task["type"] for task in tasks}

    wait_until(is_tried, 300, "a task of every type of the sample has ended")
    assert run(program, "doctor", cwd=folder, env=environment).returncode == 0
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(timeout=60) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def test_nothing_of_the_checkout_is_used(program: Path, tmp_path: Path) -> None:
    code = "import taskyard.core.config, taskyard.worker.cli.app, taskyard.dashboard.navigation as n; print(n.__file__)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    found = run(program.parent / "python", "-c", code, cwd=tmp_path, env=environment)
    assert found.stdout.startswith(str(program.parent.parent)), found.stdout + found.stderr
    [version] = run(program, "--version", cwd=tmp_path, env=environment).stdout.splitlines()
    assert re.fullmatch(r"taskyard \d+\.\d+\.\d+", version)


def test_the_source_distribution_holds_all_that_the_wheel_does(built: Path) -> None:
    [wheel], [source] = built.glob("*.whl"), built.glob("*.tar.gz")
    files = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    with tarfile.open(source) as archive:
        beside = {name.partition("/")[2] for name in archive.getnames()}
    assert files <= beside
    data = {"core/alerts/runbooks/disk.md", "py.typed", "worker/pool.toml", "dashboard/.streamlit/config.toml"}
    assert {f"taskyard/{name}" for name in data} <= files
    assert not {name for name in files if "screenshots" in name or name.startswith(("core/", "worker/", "tests/"))}
