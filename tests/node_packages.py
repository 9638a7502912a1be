"""npm's packages that tests need, installed into a folder of the test."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SECONDS = 180


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in a folder."""
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=SECONDS)


def lacking(why: str) -> None:
    """Skips the test; fails it in CI, which has everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def install(folder: Path, *packages: str) -> None:
    """Installs packages, each with its version, below a folder."""
    if shutil.which("npm") is None or shutil.which("npx") is None:
        lacking(f"there is no node, which installs {' and '.join(packages)}")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    installed = run(folder, "npm", "install", "--no-audit", "--no-fund", "--silent", "--prefer-offline", *packages)
    if installed.returncode != 0:
        lacking(f"npm can't install {' and '.join(packages)}: {installed.stderr.strip()[-500:]}")
