"""structlog is loaded without libraries that it would only draw with, which everybody else may still use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LEAN = "import sys; from taskyard.core.lean_imports import load_structlog_alone as load; load(); load()\n"


def _run(code: str, start: str = LEAN) -> str:
    done = subprocess.run([sys.executable, "-c", start + code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_comes_alone() -> None:
    code = "import structlog; print('rich' in sys.modules)"
    assert _run(code) == "False"
    assert _run(code, start="import sys\n") == "True"


@pytest.mark.parametrize(
    "code",
    [
        "import rich.console, structlog.dev",
        "from rich.traceback import install; from structlog import get_logger",
        "import importlib.util; assert importlib.util.find_spec('rich')",
        "import sqlalchemy.dialects.postgresql, alembic.op, redis.asyncio, prometheus_client, jsonschema_rs",
    ],
)
def test_the_others_are_there_for_those_who_ask(code: str) -> None:
    _run(code)


def test_what_is_loaded_already_stays_as_it_is() -> None:
    assert _run("print('rich' in sys.modules, structlog.dev.rich.__name__)", "import sys, structlog\n" + LEAN)
