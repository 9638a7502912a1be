"""Breaks and mends task modules, and deploys a newer version to half of a fleet."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import orjson

from taskyard.core.errors import Unavailable
from taskyard.worker.devtools.prove import records
from taskyard.worker.devtools.prove.people import modules, plan

if TYPE_CHECKING:
    from taskyard.worker.devtools.prove.people.yard import Yard

NEW_TASKS = 10
SUBMIT_SECONDS = 60


@contextmanager
def break_the_module(yard: Yard, act: plan.Act) -> Iterator[None]:
    """Breaks the module while an agent restarts, and then mends it."""
    modules.write(yard.modules, modules.BROKEN[act.way])
    yard.restart_agent(act.which)
    try:
        yield
    finally:
        modules.write(yard.modules, modules.OLDER)


@contextmanager
def deploy_half_a_fleet(yard: Yard, act: plan.Act) -> Iterator[None]:
    """Adds agents of a newer version; tasks of a new type, and of one that changed, all complete."""
    yard.deploy_newer()
    try:
        ids = _submit_newer(yard)
        yield
        yard.wait(lambda: not yard.unfinished(ids), "the end of the newer version's tasks")
    finally:
        yard.withdraw_newer()


def _submit_newer(yard: Yard) -> list[str]:
    lines = yard.folder / "newer.jsonl"
    tasks: list[dict[str, object]] = [
        {"type": ("prove.new", "prove.changing")[number % 2], "input": {}, "title": f"newer {number}"}
        for number in range(NEW_TASKS)
    ]
    lines.write_bytes(b"".join(orjson.dumps(task) + b"\n" for task in tasks))
    command = [sys.executable, "-m", "taskyard", "submit", "--file", str(lines), "--json"]
    run = subprocess.run(
        command, env=yard.newer_environment(), capture_output=True, text=True, timeout=SUBMIT_SECONDS, check=False
    )
    if run.returncode:
        raise Unavailable(f"the newer version's tasks were refused: {run.stderr.strip()[-500:]}")
    ids: list[str] = orjson.loads(run.stdout)["ids"]
    for task_id in ids:
        records.append(yard.journal, [task_id, {}])
    return ids
