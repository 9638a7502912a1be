"""Defines tasks as requests and answers have them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from taskyard.core.models import Task
from taskyard.core.states import TaskState

EXAMPLE_ID = "0199c0de-0000-7000-8000-000000000001"
Names = Annotated[list[str], Field(max_length=1000)]


class NewTask(BaseModel):
    """A task to submit."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"type": "diagnostic.echo", "input": {"value": 1}, "priority": "high"}]},
    )

    type: str = Field(description="The task type; `GET /api/v1/types` lists them", examples=["diagnostic.echo"])
    input: Any = Field(None, description="The input, as the type's JSON Schema says")
    title: str | None = Field(None, description="A display name")
    queue: str | None = Field(None, description="The queue; `default` if there is none", examples=["nightly"])
    priority: str | None = Field(None, description="low, medium, high or urgent; medium if there is none")
    timeout_seconds: float | None = Field(None, description="Timeout of one attempt; the type's own if there is none")
    max_attempts: int | None = Field(None, description="Maximum number of attempts; the type's own if there is none")
    delay_seconds: float | None = Field(None, description="Seconds to wait before it may start")
    run_at: str | None = Field(None, description="When it may start, in ISO 8601 with a zone")
    requires: Names | None = Field(None, description="Tags that its agent must have")
    idempotency_key: str | None = Field(
        None, description="The same key again is the same task; the header `Idempotency-Key` says the same"
    )
    after: Names | None = Field(None, description="Ids of tasks that must end first")
    when: str | None = Field(
        None, description="How they must end: completed, ended or failed; completed if there is none"
    )

    def options(self) -> dict[str, Any]:
        """Returns the options that are set, as `submit` takes them."""
        return self.model_dump(exclude={"type", "input"}, exclude_none=True)


class Submitted(BaseModel):
    """The task of a submission: a new one, or the one that has its idempotency key."""

    id: str = Field(description="The task's id", examples=[EXAMPLE_ID])


class TaskSummary(BaseModel):
    """A task without its input, output and checkpoint."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=[EXAMPLE_ID])
    type: str = Field(examples=["diagnostic.echo"])
    queue: str = Field(examples=["default"])
    title: str | None
    state: TaskState
    priority: str = Field(examples=["medium"])
    error: dict[str, Any] | None = Field(description="Class, message and traceback of the last failure")
    requires: list[str]
    attempt: int = Field(description="Attempts so far")
    refunded: int = Field(description="Attempts that do not count, such as those of a lost agent")
    max_attempts: int
    timeout_seconds: float
    run_at: datetime | None = Field(description="When it was asked to start")
    ready_at: datetime = Field(description="Since when it can start, or will be able to")
    idempotency_key: str | None
    workflow_id: str | None = Field(description="The task at the root of its workflow")
    workflow_key: str | None = Field(description="Its key among the tasks of its workflow")
    waiting_on: int = Field(description="Unfinished tasks that it waits for")
    suspension: dict[str, Any] | None = Field(description="What it waits for while suspended, or waited for last")
    scheduled_for: datetime | None = Field(description="The fire time for which a schedule submitted it")
    created_by: str
    creator_agent_id: str | None = Field(description="The agent whose task submitted it")
    agent_id: str | None = Field(description="The agent that has it, or had it last")
    progress: float | None = Field(description="From 0 to 1")
    progress_message: str | None
    created_at: datetime
    assigned_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    predicted_seconds: float | None = Field(
        None, description="The median of the run time that was predicted when it was submitted; null: nothing was known"
    )
    predicted_low: float | None = Field(None, description="The shorter end of the 80 % interval, in seconds")
    predicted_high: float | None = Field(None, description="The longer end of the 80 % interval, in seconds")
    head_start: float | None = Field(
        None, description="By how many seconds it goes ahead in a queue with the policy `learned`; null: by none"
    )
    size: str | None = Field(None, description="What its run time is predicted by besides its type and creator")
    hedged: int | None = Field(
        None, description="The number of its last second attempt, which ran beside a slow one; null: it had none"
    )
    hedge_agent_id: str | None = Field(None, description="The agent that has the second attempt; null: none has")
    is_masked: bool = Field(False, description="Whether something is hidden for want of the permission payload.read")
    why: str | None = Field(None, description="With `explain`: why no agent can take it, if it waits for one")

    @classmethod
    def of(cls, task: Task, why: str | None = None) -> TaskSummary:
        """Returns a task as answers have it."""
        return cls(**fields_of(task), why=why)


class TaskDetails(TaskSummary):
    """A task with its input, output and last checkpoint."""

    input: Any
    output: Any
    checkpoint: Any

    @classmethod
    def of(cls, task: Task, why: str | None = None) -> TaskDetails:
        """Returns a task as answers have it."""
        return cls(**fields_of(task), why=why, input=task.input, output=task.output, checkpoint=task.checkpoint)


class TaskResult(BaseModel):
    """A task's state, with its output or error once it has one."""

    id: str = Field(examples=[EXAMPLE_ID])
    state: TaskState
    is_over: bool = Field(description="Whether it has ended; if not, ask again")
    output: Any = None
    error: dict[str, Any] | None = None
    is_masked: bool = Field(False, description="Whether something is hidden for want of the permission payload.read")


class TaskPage(BaseModel):
    """A page of a search."""

    tasks: list[TaskSummary]
    next: str | None = Field(description="Pass it as `after` for the next page; null at the end")
    previous: str | None = Field(description="Pass it as `after` for the page before; null at the start")
    searched_to: datetime | None = Field(
        description="Set if the time ran out before the page was full: `next` goes on with older tasks"
    )


class HistoryEvent(BaseModel):
    """An event of a task's history."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    event: str = Field(examples=["started"])
    from_state: str | None
    to_state: str | None
    attempt: int | None
    actor: str
    agent_id: str | None
    detail: dict[str, Any] | None
    wait_seconds: float | None
    run_seconds: float | None
    total_seconds: float | None
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    is_masked: bool = Field(False, description="Whether something is hidden for want of the permission payload.read")


class LogLine(BaseModel):
    """An entry of the log output of an attempt."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    attempt: int | None
    agent_id: str | None
    level: str = Field(description="A log level, or the stream it was printed to", examples=["info"])
    message: str


class LogPage(BaseModel):
    """The newest entries of a task's log, or a page before them."""

    entries: list[LogLine]
    older: str | None = Field(description="Pass it as `before` for the page before; null at the beginning")


class OpenBelow(BaseModel):
    """The unfinished descendants of a task."""

    ids: list[str] = Field(examples=[[EXAMPLE_ID]])


class CancelledTree(BaseModel):
    """What was cancelled with a task."""

    cancelled_below: int = Field(
        description="Unfinished descendants that were cancelled besides the task itself; 0 with the scope `this`",
        examples=[3],
    )


def fields_of(task: Task) -> dict[str, Any]:
    """Returns the values of a TaskSummary."""
    values = {name: getattr(task, name) for name in _SAME}
    return {
        **values,
        "priority": task.priority.label,
        "requires": list(task.requires),
        "agent_id": task.assigned_agent_id,
    }


_OWN = ("priority", "requires", "agent_id", "is_masked", "why")
_SAME = tuple(name for name in TaskSummary.model_fields if name not in _OWN)


class SignalStored(BaseModel):
    """Whether a signal is new to its task."""

    is_new: bool = Field(description="False if the task has a signal by this name and id already")
