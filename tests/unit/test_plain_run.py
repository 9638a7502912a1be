"""`taskyard run` with flags alone goes past the library of the command line, and does what it does with it."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from taskyard.worker.cli import plain_run, run
from taskyard.worker.cli.exits import BAD_INPUT

# the second form is what the library alone understands
FORMS = (["run", "--dashboard"], ["run", "--migrate", "--"])


def test_its_flags_are_those_of_the_command() -> None:
    assert tuple(inspect.signature(run.run).parameters) == plain_run.FLAGS


@pytest.mark.parametrize(
    ("arguments", "is_plain"),
    [
        ([], False),
        (["run"], True),
        (["run", "--demo", "--dashboard", "--demo"], True),
        (["run", "--help"], False),
        (["run", "--demo=1"], False),
        (["run", "x"], False),
        (["--version"], False),
        (["agent"], False),
    ],
)
def test_only_flags_are_plain(arguments: list[str], is_plain: bool) -> None:
    assert plain_run.is_plain(arguments) is is_plain


@pytest.mark.parametrize("arguments", FORMS)
def test_what_is_wrong_is_one_line(arguments: list[str], tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "taskyard", *arguments],
        env={**os.environ, "TASKYARD_DATA_DIR": str(tmp_path), "TASKYARD_GRACE_SECONDS": "soon"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (BAD_INPUT, "")
    assert ended.stderr.startswith("error: TASKYARD_GRACE_SECONDS: 'soon'")
    assert ended.stderr.count("\n") == 1
