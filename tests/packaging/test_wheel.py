"""The wheel, as its user has it: in an environment without the checkout, in an empty folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.servers import free_port, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
TASKS = """
from pydantic import BaseModel
from taskyard import TaskContext, task_type


class Number(BaseModel):
    number: int


@task_type("mine.double")
def double(given: Number, context: TaskContext) -> Number:
    return Number(number=2 * given.number)
"""
POOL = """
[[agents]]
kind = "all"
count = 2
types = ["*"]
max_concurrency = 3
"""


def run(*command: object, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def program(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`taskyard` in an environment that has the wheel, and this one's other packages without the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    assert run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder).returncode == 0
    python = folder / "bin" / "python"
    [wheel] = built.glob("*.whl")
    uv = Path(sys.executable).parent / "uv"
    done = run(uv, "pip", "install", "--offline", "--no-deps", "--python", python, wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout.strip())
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))  # what .pth files there say is not read again
    return folder / "bin" / "taskyard"


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that the user of the embedded PostgreSQL may pass through, whatever other test runs do."""
    with tempfile.TemporaryDirectory(prefix="taskyard-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def environment() -> dict[str, str]:
    """A user's variables: none of this run's."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("TASKYARD_", "PYTHON", "COV_"))}
    return {
        **ours,
        "TASKYARD_DASHBOARD_PORT": str(free_port()),
        "TASKYARD_API_PORT": str(free_port()),
        "TASKYARD_METRICS_PORT": str(free_port()),
        "TASKYARD_TASK_MODULES": "my_tasks",
        "TASKYARD_POOL_FILE": "pool.toml",
    }


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


@pytest.fixture
def base(built: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes an environment with the wheel, what it requires by itself, and some of this environment's packages."""

    def base(*packages: str) -> Path:
        folder = tmp_path / "base"
        assert run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=tmp_path).returncode == 0
        python = folder / "bin" / "python"
        [wheel] = built.glob("*.whl")
        uv = Path(sys.executable).parent / "uv"
        done = run(uv, "pip", "install", "--offline", "--no-deps", "--python", python, wheel, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).stdout.strip()
        here = Path(sysconfig.get_path("purelib"))
        files = [file for name in required("taskyard", *packages) for file in metadata.files(name) or ()]
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            Path(site, top).symlink_to(here / top)
        return folder / "bin"

    return base


def required(*names: str) -> set[str]:
    """Names of distributions that are installed with some, by what they say that they require on this machine."""
    found: set[str] = set()
    wanted = list(names)
    while wanted:
        name = wanted.pop()
        for text in metadata.requires(name) or ():
            needed = Requirement(text)
            if (needed.marker is None or needed.marker.evaluate({"extra": ""})) and needed.name not in found:
                wanted.append(needed.name)
                found.add(needed.name)
        if name != "taskyard":
            found.add(name)
    return found


CLIENT = """
import taskyard
from taskyard.client import Client
try:
    Client("http://127.0.0.1:1").get("01929e8b-0000-7000-8000-000000000000")
except taskyard.Unavailable as error:
    print(error)
try:
    taskyard.submit
except ImportError as error:
    print(error)
"""


@pytest.mark.slow
def test_the_client_needs_pydantic_and_httpx_only(
    base: Callable[..., Path], environment: dict[str, str], tmp_path: Path
) -> None:
    place = base()
    done = run(place / "python", "-c", CLIENT, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    away, lacking = done.stdout.splitlines()
    assert away.startswith("http://127.0.0.1:1 can't be reached")
    assert lacking.endswith(" is not installed: pip install 'taskyard[server]'")
    done = run(place / "taskyard", "list", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (2, "typer is not installed: pip install 'taskyard[cli]'\n")


def test_the_command_line_needs_no_part_of_the_servers(
    base: Callable[..., Path], environment: dict[str, str], tmp_path: Path
) -> None:
    program = base("typer", "orjson") / "taskyard"
    assert run(program, "--help", cwd=tmp_path, env=environment).returncode == 0
    remote = {**environment, "TASKYARD_URL": "http://127.0.0.1:1"}
    done = run(program, "list", cwd=tmp_path, env=remote)
    assert done.returncode == 5, done.stderr
    assert done.stderr.startswith("error: http://127.0.0.1:1 can't be reached")
    done = run(program, "run", cwd=tmp_path, env=environment)
    assert done.returncode == 2
    assert done.stderr.endswith(" is not installed: pip install 'taskyard[server]'\n")
    assert len(done.stderr.splitlines()) == 1


def test_the_source_distribution_holds_all_that_the_wheel_does(built: Path) -> None:
    [wheel], [source] = built.glob("*.whl"), built.glob("*.tar.gz")
    files = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    with tarfile.open(source) as archive:
        beside = {name.partition("/")[2] for name in archive.getnames()}
    assert files <= beside
    data = {"core/alerts/runbooks/disk.md", "py.typed", "worker/pool.toml", "dashboard/.streamlit/config.toml"}
    assert {f"taskyard/{name}" for name in data} <= files
    assert not {name for name in files if "screenshots" in name or name.startswith(("core/", "worker/", "tests/"))}
