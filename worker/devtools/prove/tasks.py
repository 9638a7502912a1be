"""Defines the task types of `prove`: each execution leaves a line in a ledger outside both servers."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from taskyard.core.errors import PermanentError, TransientError
from taskyard.core.task_types.registry import task_type
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.attempts.suspension import children, signal
from taskyard.worker.devtools.prove import records

LEDGER_VARIABLE = "TASKYARD_PROVE_LEDGER"
SIGNAL, PAUSE_SECONDS, CHILDREN = "go", 0.3, 3
LINE = "some handlers print without end\n"
# So many that no task runs out of attempts by what is killed under it.
MANY = RetryPolicy(max_attempts=50, backoff_seconds=0.2, max_backoff_seconds=1.0)


class Work(BaseModel):
    """How long to work, how many attempts fail first, whether it fails for good, and the sizes of data and output.

    `suspends` says what it waits for without a slot. `until_file` is a path: the attempt does not end before such a
    file exists.
    """

    model_config = ConfigDict(extra="forbid")

    seconds: float = Field(0.0, ge=0, le=60)
    until_file: str = ""
    failures: int = Field(0, ge=0, le=5)
    hopeless: bool = False
    suspends: Literal["", "time", "children", "signal"] = ""
    output_bytes: int = Field(0, ge=0)
    printed_bytes: int = Field(0, ge=0)
    padding: str = ""


class Go(BaseModel):
    """What its submitter sends to a task that waits for a signal."""

    task_id: str


class Worked(BaseModel):
    """The attempt that succeeded."""

    attempt: int
    padding: str = ""


def note_execution(context: TaskContext) -> None:
    """Writes a line into the ledger."""
    records.append(Path(os.environ[LEDGER_VARIABLE]), [context.task_id, context.attempt, os.getpid()])


def work(given: Work, context: TaskContext) -> Worked:
    """Writes a line into the ledger and behaves as the input says."""
    note_execution(context)
    time.sleep(given.seconds)
    while given.until_file and not Path(given.until_file).exists():
        time.sleep(0.02)
    if given.hopeless:
        raise PermanentError("meant to fail")
    if given.suspends:
        suspend(given.suspends, context)
    if context.attempt <= given.failures:
        raise TransientError("meant to fail at first")
    for _ in range(given.printed_bytes // len(LINE)):
        print(LINE, end="")
    return Worked(attempt=context.attempt, padding="x" * given.output_bytes)


def suspend(kind: str, context: TaskContext) -> None:
    """Gives the slot back once, and checks what it finds then; a signal may be there already."""
    if kind == "time" and context.last_checkpoint is None:
        context.suspend(PAUSE_SECONDS, state=kind)
    elif kind == "children":
        if context.last_checkpoint is None:
            for number in range(CHILDREN):
                context.submit("prove.thread", {}, key=f"{number}")
        outcomes = context.suspend(children(), state=kind)
        if [one.state for one in outcomes] != ["completed"] * CHILDREN:
            raise PermanentError(f"its children are {outcomes}")
    elif kind == "signal":
        go = context.suspend(signal(SIGNAL, Go))
        if go is None or go.task_id != context.task_id or len(context.signals(SIGNAL)) != 1:
            raise PermanentError(f"it got {go} and {context.signals(SIGNAL)}")


@task_type("prove.process", retry=MANY, timeout_seconds=60)
def in_process(given: Work, context: TaskContext) -> Worked:
    """Works in a child process."""
    return work(given, context)


@task_type("prove.thread", isolation="thread", retry=MANY, timeout_seconds=60)
def in_thread(given: Work, context: TaskContext) -> Worked:
    """Works in a thread of the agent."""
    return work(given, context)
