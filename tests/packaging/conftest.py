"""The wheel, environments that have it, and what its user has."""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from tests.packaging.environments import REPOSITORY, required, run
from tests.servers import free_port


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return folder


def with_wheel(built: Path, folder: Path) -> Path:
    """Makes an environment that has the wheel alone; returns its folder of packages."""
    assert run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent).returncode == 0
    python = folder / "bin" / "python"
    [wheel] = built.glob("*.whl")
    uv = Path(sys.executable).parent / "uv"
    done = run(uv, "pip", "install", "--offline", "--no-deps", "--python", python, wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    return Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout.strip())


@pytest.fixture(scope="session")
def program(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`taskyard` in an environment that has the wheel, and this one's other packages without the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    site = with_wheel(built, folder)
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
def base(built: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes an environment with the wheel, what it requires by itself, and some of this environment's packages."""

    def base(*packages: str) -> Path:
        folder = tmp_path / "base"
        site = with_wheel(built, folder)
        here = Path(sysconfig.get_path("purelib"))
        files = [file for name in required("taskyard", *packages) for file in metadata.files(name) or ()]
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            (site / top).symlink_to(here / top)
        return folder / "bin"

    return base
