"""Makes the folder of files that the sample workload reads: copies, so that no other file of the host must be
allowed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from taskyard.core.paths import FILES

FOLDER_NAME = "samples"
STANDARD_LIBRARY = Path(os.__file__).parent
PACKAGES = (
    "asyncio", "collections", "concurrent", "ctypes", "email", "encodings", "html", "http", "importlib", "json",
    "logging", "multiprocessing", "sqlite3", "unittest", "urllib", "xml",
)  # fmt: skip
OWN_PARTS = ("core", "worker")  # of Taskyard itself, to be measured
SUITE = "suite"  # the folder with the tests that the sample workload runs
_SUFFIXES = frozenset({".py", ".sql", ".lua", ".toml", ".json", ".mako", ".ini"})


def samples_folder(data_dir: Path) -> Path:
    """Returns the folder of the copies: `python` (packages of the standard library), `taskyard` (parts of it),
    `suite` (tests).
    """
    return data_dir.expanduser().absolute() / FOLDER_NAME


def make_samples(data_dir: Path) -> Path:
    """Recreates the folder and returns it. Every user may read it, including the user of a test run."""
    folder = samples_folder(data_dir)
    new = folder.with_name(f"{FOLDER_NAME}.new")
    shutil.rmtree(new, ignore_errors=True)
    for source, target in (
        *((STANDARD_LIBRARY / name, new / "python" / name) for name in PACKAGES),
        (FILES / "worker" / "devtools" / "sample_suite", new / SUITE),
        *((FILES / name, new / "taskyard" / name) for name in OWN_PARTS),
    ):
        _copy(source, target)
    for path in (new, *new.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
    return folder


def _copy(source: Path, target: Path) -> None:
    """Copies a file, or the sources in a folder; does nothing if it does not exist."""
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    elif source.is_dir():
        for path in source.rglob("*"):
            is_source = path.suffix in _SUFFIXES and not path.is_symlink() and "__pycache__" not in path.parts
            if is_source and path.is_file():
                _copy(path, target / path.relative_to(source))
