"""Environments that have the wheel, and commands in them."""

from __future__ import annotations

import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

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


def run(*command: object, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload,no-any-return]


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


def extra(name: str) -> set[str]:
    """Names of the distributions that an extra lists, with those of the extras that it includes."""
    parts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    found: set[str] = set()
    for one in map(Requirement, parts[name]):
        found |= {other for part in one.extras for other in extra(part)} if one.name == "taskyard" else {one.name}
    return found
