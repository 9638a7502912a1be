"""Defines the task types of `prove`'s workflows: what a task makes names it, so that everybody can see what it got."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from taskyard.core.errors import PermanentError
from taskyard.core.task_types.registry import task_type
from taskyard.core.workflows.making import ref_all, task
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.devtools.prove.tasks import MANY, note_execution

NODE, ASK, PLAN = "prove.node", "prove.ask", "prove.plan"
INNER, INNER_PAGES = "inner", 3


class Made(BaseModel):
    """What a task made: its id, the attempt, and the sum of its own number and of what it was given."""

    task_id: str
    attempt: int
    total: int


class Decided(Made):
    """What people answered; `decision` is empty if nobody did in time."""

    decision: str = ""
    word: str = ""
    people: list[str] = Field(default_factory=list)


class NodeWork(BaseModel):
    """How long to work, and what to add up. Until the file `gate` exists, if one is named, the task fails."""

    model_config = ConfigDict(extra="forbid")

    number: int = 1
    seconds: float = Field(0.0, ge=0, le=60)
    gate: str = ""
    one: Made | None = None
    parts: list[Made] = Field(default_factory=list)


class AskWork(BaseModel):
    """How the question is to be answered, of whom, by how many, and how long it waits."""

    model_config = ConfigDict(extra="forbid")

    manner: str
    of: list[str]
    needs: int = 1
    timeout_seconds: float | None = None
    one: Made | None = None


class Approved(BaseModel):
    """What people say when they approve."""

    word: str = Field(max_length=100)


class Inner(Made):
    """The workflow that a handler submitted: its id, and the ids of its tasks by key."""

    workflow_id: str
    tasks: dict[str, Any]


@task_type(NODE, isolation="thread", retry=MANY, timeout_seconds=60)
def node(given: NodeWork, context: TaskContext) -> Made:
    """Adds up what it was given."""
    note_execution(context)
    time.sleep(given.seconds)
    if given.gate and not Path(given.gate).exists():
        raise PermanentError("meant to fail until somebody has opened its gate")
    total = given.number + sum(part.total for part in given.parts) + (given.one.total if given.one else 0)
    return Made(task_id=context.task_id, attempt=context.attempt, total=total)


@task_type(ASK, isolation="thread", retry=MANY, timeout_seconds=60)
def ask(given: AskWork, context: TaskContext) -> Decided:
    """Asks people once."""
    note_execution(context)
    answer = context.ask(
        f"Shall it go on ({given.manner})?",
        Approved,
        key=given.manner,
        of=given.of,
        needs=given.needs,
        timeout_seconds=given.timeout_seconds,
    )
    made = Decided(task_id=context.task_id, attempt=context.attempt, total=given.one.total if given.one else 0)
    if answer is None:
        return made
    word = answer.data.word if answer.data is not None else ""
    people = [one.person for one in answer.answers]
    return made.model_copy(update={"decision": answer.decision.value, "word": word, "people": people})


@task_type(PLAN, retry=MANY, timeout_seconds=60)
def plan(given: NodeWork, context: TaskContext) -> Inner:
    """Submits a workflow, in a child process."""
    note_execution(context)
    pages = [task(NODE, {"number": number}) for number in range(INNER_PAGES)]
    found = context.submit_workflow(
        INNER, {"pages": pages, "sum": task(NODE, {"number": 0, "parts": ref_all("pages")})}, key=INNER
    )
    time.sleep(given.seconds)
    return Inner(
        task_id=context.task_id,
        attempt=context.attempt,
        total=given.number + (given.one.total if given.one else 0),
        workflow_id=found.id,
        tasks=dict(found.tasks),
    )
