"""A generator makes TypeScript of the API's document, and a program can use it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.reference.http import openapi

PACKAGES = ("openapi-typescript@7.13.0", "typescript@5.9.3")
SAMPLE = Path(__file__).parent / "sample.ts"
STRICT = ("--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--noEmit")
TARGET = ("--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler")
SECONDS = 180


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=SECONDS)


def lacking(why: str) -> None:
    """Skips the test; fails it in CI, which has everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the generator and the compiler."""
    if shutil.which("npm") is None or shutil.which("npx") is None:
        lacking("there is no node: npx makes TypeScript of the API's document")
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}')
    installed = run(tmp_path, "npm", "install", "--no-audit", "--no-fund", "--silent", "--prefer-offline", *PACKAGES)
    if installed.returncode != 0:
        lacking(f"npm can't install {' and '.join(PACKAGES)}: {installed.stderr.strip()[-500:]}")
    return tmp_path


def test_a_program_uses_the_types_that_are_made_of_the_document(folder: Path) -> None:
    (folder / "openapi.json").write_text(openapi())
    shutil.copy(SAMPLE, folder)
    made = run(folder, "npx", "--no-install", "openapi-typescript", "openapi.json", "-o", "taskyard.d.ts")
    assert made.returncode == 0, made.stdout + made.stderr
    checked = run(folder, "npx", "--no-install", "tsc", *STRICT, *TARGET, "sample.ts")
    assert checked.returncode == 0, checked.stdout + checked.stderr
