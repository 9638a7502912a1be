"""Defines a task's attempts and relatives as answers have them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from taskyard.api.models.tasks import EXAMPLE_ID
from taskyard.core.edges import Condition, EdgeState
from taskyard.core.states import TaskState
from taskyard.core.views.attempts import Attempt


class AttemptInfo(BaseModel):
    """One attempt: ready, given to an agent, started, ended, due again. A time is null if it has not come."""

    number: int = Field(description="Attempts have numbers that only grow", examples=[1])
    outcome: str = Field(
        description="running, waiting, or the event that ended it (hedge_won: the other was first)",
        examples=["completed"],
    )
    agent: str = Field(description="The agent's name; empty for one that waits", examples=["worker-1"])
    ready_at: datetime | None
    assigned_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    due_at: datetime | None = Field(description="When the next attempt is due")
    wait_seconds: float | None = Field(description="From ready to started, or until now")
    run_seconds: float | None = Field(description="From started to ended, or until now")
    backoff_seconds: float | None = Field(description="The pause before the next attempt")
    error_class: str
    message: str = Field(description="Of its error; `…` without the permission payload.read")
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    is_masked: bool = Field(False, description="Whether something is hidden for want of the permission payload.read")

    @classmethod
    def of(cls, attempt: Attempt, now: datetime, hidden: str | None) -> AttemptInfo:
        """Returns an attempt as answers have it; `hidden` stands for its message, None: it is shown."""
        counted = ("wait_seconds", "run_seconds", "message", "is_masked")
        return cls(
            **{name: getattr(attempt, name) for name in cls.model_fields if name not in counted},
            wait_seconds=attempt.wait_seconds(now),
            run_seconds=attempt.run_seconds(now),
            message=attempt.message if hidden is None or not attempt.message else hidden,
            is_masked=hidden is not None,
        )


class RelatedTask(BaseModel):
    """Another task, shortly."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=[EXAMPLE_ID])
    type: str = Field(examples=["diagnostic.echo"])
    title: str | None
    state: TaskState
    condition: Condition | None = Field(
        None, description="Of `awaited` and `dependants`: the end of the parent that the child waits for"
    )
    edge: EdgeState | None = Field(
        None,
        description="Of these: `waits`, `met`, or `never`: the parent ended otherwise, and the child can't start",
    )
    met_at: datetime | None = Field(None, description="Of these: when the parent ended as the child waits for")


class RelativesInfo(BaseModel):
    """A task's related tasks, at most 100 of each kind."""

    model_config = ConfigDict(from_attributes=True)

    parents: list[RelatedTask] = Field(description="The task whose handler submitted it")
    children: list[RelatedTask] = Field(description="Tasks that its handler submitted")
    awaited: list[RelatedTask] = Field(description="Tasks that it was submitted to start after")
    dependants: list[RelatedTask] = Field(description="Tasks that were submitted to start after it")
    workflow_id: str | None = Field(description="The task at the root of its workflow")
