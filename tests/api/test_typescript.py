"""A generator makes TypeScript of the API's document, and a program can use it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.node_packages import install, run
from tests.reference.http import openapi

PACKAGES = ("openapi-typescript@7.13.0", "typescript@5.9.3")
SAMPLE = Path(__file__).parent / "sample.ts"
STRICT = ("--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--noEmit")
TARGET = ("--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the generator and the compiler."""
    install(tmp_path, *PACKAGES)
    return tmp_path


@pytest.mark.slow
def test_a_program_uses_the_types_that_are_made_of_the_document(folder: Path) -> None:
    (folder / "openapi.json").write_text(openapi())
    shutil.copy(SAMPLE, folder)
    made = run(folder, "npx", "--no-install", "openapi-typescript", "openapi.json", "-o", "taskyard.d.ts")
    assert made.returncode == 0, made.stdout + made.stderr
    checked = run(folder, "npx", "--no-install", "tsc", *STRICT, *TARGET, "sample.ts")
    assert checked.returncode == 0, checked.stdout + checked.stderr
