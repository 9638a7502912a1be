"""Makes the last release runnable: its wheel, built from the commit that `.ci/released` names, or a given one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import taskyard
from taskyard.core.errors import ConfigurationError

NAMED_IN = Path(".ci") / "released"
BUILD_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Release:
    """A release whose packages are in `folder`; what it depends on comes from this environment."""

    version: str
    folder: Path

    def variables(self) -> dict[str, str]:
        """Returns the variables by which a process of this Python, and all that it starts, runs this release."""
        return {"PYTHONPATH": str(self.folder), "PYTHONSAFEPATH": "1"}


@dataclass(frozen=True, slots=True)
class NamedRelease:
    """What `.ci/released` says: a commit, its version, and the newest revision of its schema."""

    commit: str
    version: str
    revision: str


def named_release(repository: Path) -> NamedRelease:
    """Returns what the repository says of the last release; raises ConfigurationError if it does not."""
    file = repository / NAMED_IN
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise _missing(f"{file} can't be read: {error.strerror}") from None
    words = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    if len(words) != 1 or len(words[0]) != 3:
        raise _missing(f"{file}: expected one line with a commit, its version and its schema's revision")
    return NamedRelease(*words[0])


def last_release(cache: Path, wheel: Path | None = None) -> Release:
    """Returns the last release, ready to run; raises ConfigurationError with what is missing.

    `wheel` is a file of it; without one it is built, once, into the folder `cache`.
    """
    if wheel is not None:
        if not wheel.is_file():
            raise _missing(f"{wheel} is no file")
        return _unpacked(wheel, cache / wheel.stem)
    repository = Path(taskyard.__file__).resolve().parent.parent
    named = named_release(repository)
    folder = cache / f"taskyard-{named.version}-{named.commit[:12]}"
    if not folder.exists():
        _unpacked(_built(repository, named.commit, cache), folder)
    return Release(f"{named.version} ({named.commit[:12]})", folder)


def _built(repository: Path, commit: str, cache: Path) -> Path:
    """Returns the wheel of a commit."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="source-") as made:
        source = Path(made)
        archive = source / "source.tar"
        _run(["git", "-C", str(repository), "archive", "--output", str(archive), commit], commit)
        shutil.unpack_archive(archive, source / "tree", filter="tar")  # its links are within it
        wheels = cache / f"wheel-{commit[:12]}"
        build = [sys.executable, "-P", "-m", "hatchling", "build", "--target", "wheel", "--directory", str(wheels)]
        _run(build, commit, source / "tree")
        return next(wheels.glob("taskyard-*.whl"))


def _run(command: list[str], commit: str, folder: Path | None = None) -> None:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=variables, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _missing(f"{command[0]}: {error}") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise _missing(f"commit {commit[:12]} of {NAMED_IN}: {said}")


def _unpacked(wheel: Path, folder: Path) -> Release:
    """Unpacks a wheel next to others; a folder that is there is whole."""
    version = wheel.name.split("-")[1] if wheel.name.count("-") >= 2 else ""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="wheel-") as made:
            try:
                with zipfile.ZipFile(wheel) as file:
                    file.extractall(Path(made) / "whole")
            except (OSError, zipfile.BadZipFile) as error:
                raise _missing(f"{wheel}: {error}") from None
            (Path(made) / "whole").rename(folder)
    if not (folder / "taskyard" / "__init__.py").exists():
        raise _missing(f"{wheel} holds no taskyard")
    return Release(version, folder)


def _missing(reason: str) -> ConfigurationError:
    advice = "fetch the whole history (git fetch --unshallow), or name a wheel of the last release by --wheel"
    return ConfigurationError([f"prove: --upgrade needs the last release: {reason}: {advice}"])
