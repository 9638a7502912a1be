"""Defines the task type of the benchmark of engines, in a module that seats import fast."""

from __future__ import annotations

import os
import time
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict

from taskyard.core.task_types.registry import task_type
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.worker.attempts.context import TaskContext

LOOK_SECONDS = 0.02


class Hold(BaseModel):
    """Where each attempt says that it runs, and the file that ends it."""

    model_config = ConfigDict(extra="forbid")

    ledger: str
    until_file: str


def attempts_in(ledger: Path) -> list[tuple[int, int, float]]:
    """Returns what attempts have written: the attempt, its process, and the time."""
    lines = ledger.read_bytes().split(b"\n")[:-1] if ledger.exists() else []
    return [tuple(orjson.loads(line)) for line in lines]


class Held(BaseModel):
    """The attempt that was let go."""

    attempt: int


@task_type("bench.hold", retry=RetryPolicy(max_attempts=20, backoff_seconds=0.0), timeout_seconds=300)
def hold(given: Hold, context: TaskContext) -> Held:
    """Writes the attempt, its process and the time into the ledger, and runs until the file is there."""
    with Path(given.ledger).open("ab", buffering=0) as ledger:
        ledger.write(orjson.dumps([context.attempt, os.getpid(), time.time()]) + b"\n")
    while not Path(given.until_file).exists():
        time.sleep(LOOK_SECONDS)
    return Held(attempt=context.attempt)
