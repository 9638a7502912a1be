"""One name for each module: `taskyard.…`, in a checkout too, whatever packages a user has beside it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LOADED_TWICE = """
import os, sys
files = {}
for name, module in list(sys.modules.items()):
    if (file := getattr(module, "__file__", None)) and "%s" in os.path.realpath(file):
        files.setdefault(os.path.realpath(file), {})[id(module)] = name
print([names for names in files.values() if len(names) > 1])
"""


def run(code: str, *, cwd: Path = REPOSITORY, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, filter(None, (path, REPOSITORY))))}
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("folder", ["core", "worker", "dashboard"])
def test_a_folder_is_no_package_of_its_own(folder):
    result = run(f"import {folder}")
    assert result.returncode == 1
    assert f"ImportError: import taskyard.{folder} instead: this folder is a part of that package" in result.stderr


@pytest.mark.parametrize("program", ["taskyard", "worker"])
def test_no_module_is_loaded_under_two_names(program):
    found = f"""
import sys
sys.argv = ["-m", "types"]
try:
    import runpy
    runpy.run_module({program!r}, run_name="__main__")
except SystemExit:
    pass
{LOADED_TWICE % REPOSITORY}"""
    result = run(found)
    assert result.stdout.splitlines()[-1] == "[]", (result.stdout, result.stderr)


def test_packages_of_users_with_our_folders_names_are_theirs(tmp_path):
    for name in ("core", "worker", "dashboard", "sql", "data", "forms"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"WHOSE = 'theirs: {name}'\n")
    (tmp_path / "their_tasks.py").write_text(
        "import core, worker\n"
        "from taskyard import TaskContext, task_type\n"
        "from pydantic import BaseModel\n"
        "class Nothing(BaseModel): pass\n"
        "@task_type('theirs.noop')\n"
        "def noop(nothing: Nothing, context: TaskContext) -> Nothing: return nothing\n"
    )
    code = """
import core
from taskyard.core.task_types.registry import registry
from taskyard.worker.cli import app
print(core.WHOSE, registry.load(("their_tasks",)).get("theirs.noop").handler.__module__)
"""
    result = run(code, cwd=tmp_path, path=tmp_path)
    assert result.stdout == "theirs: core their_tasks\n", result.stderr
