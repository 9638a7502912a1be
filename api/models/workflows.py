"""Defines workflows as requests and answers have them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from taskyard.api.models.tasks import EXAMPLE_ID
from taskyard.core.edges import Condition
from taskyard.core.states import TaskState
from taskyard.core.workflows.states import WorkflowState

_EXAMPLE: dict[str, Any] = {
    "name": "nightly",
    "tasks": {
        "first": {"type": "diagnostic.echo", "input": {"value": 1}},
        "second": {"type": "diagnostic.noop", "after": ["first"]},
    },
}


class NewWorkflow(BaseModel):
    """A workflow to submit, or a group of tasks without edges."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    name: str = Field(description="What it is called in lists", examples=["nightly"])
    tasks: dict[str, Any] | list[Any] = Field(
        description="Tasks by key: type, input, options, and the keys that each starts `after`; a list of tasks under "
        "a key is a group. A list alone is a group without edges"
    )
    title: str | None = Field(None, description="A display name")
    idempotency_key: str | None = Field(
        None, description="The same key again is the same workflow; the header `Idempotency-Key` says the same"
    )


class SubmittedWorkflow(BaseModel):
    """The workflow of a submission: a new one, or the one that has its idempotency key."""

    id: str | None = Field(description="The workflow's id; null if it was only checked", examples=[EXAMPLE_ID])
    tasks: dict[str, str | list[str]] = Field(description="The ids of its tasks by key; of a group a list, in order")


class WorkflowInfo(BaseModel):
    """A workflow with its figures."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=[EXAMPLE_ID])
    kind: str = Field(description="workflow or group", examples=["workflow"])
    name: str = Field(examples=["nightly"])
    title: str | None
    state: WorkflowState
    tasks: int = Field(description="Its tasks, those that handlers submitted among them")
    counts: dict[str, int] = Field(description="Its tasks by state")
    progress: float = Field(description="The share of predicted work that is done, from 0 to 1")
    parent_task_id: str | None = Field(description="The task whose handler submitted it")
    created_by: str
    created_at: datetime
    cancelled_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float = Field(description="Until its end, or until now")


class WorkflowList(BaseModel):
    """A page of workflows, the newest first."""

    workflows: list[WorkflowInfo]
    next: str | None = Field(description="`before` of the next page; null: this is the last")


class WorkflowTask(BaseModel):
    """A task of a workflow's graph."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=[EXAMPLE_ID])
    key: str | None = Field(description="Its key; null: a handler submitted it", examples=["pages/17"])
    type: str
    queue: str
    title: str | None
    state: TaskState
    attempt: int
    progress: float | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    submitted_by: str | None = Field(description="The task whose handler submitted it")
    run_at: datetime | None = Field(description="Before which it does not start; null: at once")


class WorkflowEdge(BaseModel):
    """An edge of a workflow's graph."""

    model_config = ConfigDict(from_attributes=True)

    parent: str
    child: str
    condition: Condition = Field(description="How the parent has to end")
    is_open: bool = Field(description="Whether the child still waits for it")
    met_at: datetime | None


class SubmittedBy(BaseModel):
    """A workflow that the handler of a task submitted."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=[EXAMPLE_ID])
    name: str
    title: str | None
    state: str | None = Field(description="completed, failed or cancelled; null: it has not ended")
    submitted_by: str = Field(description="The task", examples=[EXAMPLE_ID])


class WorkflowGraph(BaseModel):
    """A workflow with its tasks in the order of their submission, and the edges between them."""

    model_config = ConfigDict(from_attributes=True)

    workflow: WorkflowInfo
    nodes: list[WorkflowTask]
    edges: list[WorkflowEdge]
    submitted: list[SubmittedBy] = Field(
        [], description="Workflows that handlers of its tasks submitted, at most 1,000"
    )


class ChangedWorkflow(BaseModel):
    """What a command did to a workflow."""

    tasks: int = Field(description="How many tasks it changed")
