"""Defines schedules and their fire times as requests and answers have them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from taskyard.api.models.common import ReasonText
from taskyard.core.schedules.due import CatchUp
from taskyard.core.schedules.schedule import DEFAULT_CATCH_UP_LIMIT, DEFAULT_ZONE, Overlap

NAME = "1 to 100 lower-case letters, digits or ._-"
CRON = "Five fields: minute, hour, day, month, weekday; or @hourly, @daily, @weekly, @monthly, @yearly"
INTERVAL = "Instead of a cron expression: seconds from one fire time to the next"
ZONE = "The time zone of the cron expression"
CATCH_UP = "What becomes of fire times that were missed while no worker led: none, last or all"
LIMIT = "At most so many of all"
OVERLAP = "While an earlier task of the schedule has not ended: allow, skip or replace"
JITTER = "By up to how many seconds its tasks are delayed; always the same for a fire time"
EXPECTED = "Within how many seconds after a fire time its task should complete; else there is an alert"
STARTS, ENDS = "Nothing fires before", "Nothing fires after"
TASKS = "its tasks, or lists of them, by key, as a workflow is submitted"
OPTIONS = "title, queue, priority, timeout_seconds, max_attempts and requires, as of a submission"
# A text, so that an error can show it as it was written.
GivenTime = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class WhatInfo(BaseModel):
    """What a schedule submits: a task by its type, or a workflow by its name and tasks."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field("task", description="task or workflow")
    type: str | None = Field(None, description="Of a task: its type", examples=["diagnostic.echo"])
    input: Any = Field(None, description="Of a task: its input; null without payload.read", examples=[{"value": 1}])
    options: dict[str, Any] = Field({}, description=f"Of a task: {OPTIONS}", examples=[{"queue": "nightly"}])
    name: str | None = Field(None, description="Of a workflow: what it is called in lists")
    title: str | None = Field(None, description="Of a workflow: a display name")
    tasks: dict[str, Any] | None = Field(None, description=f"Of a workflow: {TASKS}")


class ScheduleRule(BaseModel):
    """When a schedule fires, and what it submits; either `cron` or `interval_seconds` is given."""

    model_config = ConfigDict(extra="forbid")

    what: WhatInfo
    cron: str | None = Field(None, description=CRON, examples=["30 7 * * mon-fri"])
    interval_seconds: float | None = Field(None, description=INTERVAL)
    time_zone: str = Field(DEFAULT_ZONE, description=ZONE, examples=["Europe/Berlin"])
    catch_up: str = Field(CatchUp.LAST.value, description=CATCH_UP)
    catch_up_limit: int = Field(DEFAULT_CATCH_UP_LIMIT, description=LIMIT)
    overlap: str = Field(Overlap.ALLOW.value, description=OVERLAP)
    jitter_seconds: float = Field(0.0, description=JITTER)
    starts_at: GivenTime | None = Field(None, description=STARTS)
    ends_at: GivenTime | None = Field(None, description=ENDS)
    expected_seconds: float | None = Field(None, description=EXPECTED)


class NewSchedule(ScheduleRule):
    """A schedule to create."""

    name: str = Field(description=NAME, examples=["nightly"])


class ScheduleChange(BaseModel):
    """What changes of a schedule; what is left out stays. A cron expression replaces an interval, and vice versa."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"cron": "0 6 * * *"}]})

    what: WhatInfo | None = None
    cron: str | None = Field(None, description=CRON)
    interval_seconds: float | None = Field(None, description=INTERVAL)
    time_zone: str = Field(DEFAULT_ZONE, description=ZONE)
    catch_up: str = Field(CatchUp.LAST.value, description=CATCH_UP)
    catch_up_limit: int = Field(DEFAULT_CATCH_UP_LIMIT, description=LIMIT)
    overlap: str = Field(Overlap.ALLOW.value, description=OVERLAP)
    jitter_seconds: float = Field(0.0, description=JITTER)
    starts_at: GivenTime | None = Field(None, description=STARTS)
    ends_at: GivenTime | None = Field(None, description=ENDS)
    expected_seconds: float | None = Field(None, description=EXPECTED)
    is_enabled: bool | None = Field(None, description="False pauses it, true resumes it")
    reason: ReasonText = Field("", description="Why it is paused or resumed; kept in the audit log")


class ScheduledTask(BaseModel):
    """The task that a schedule submits."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["task"]
    type: str
    input: Any = Field(description="Null without payload.read")
    options: dict[str, Any] = Field(description=OPTIONS)


class ScheduledWorkflow(BaseModel):
    """The workflow that a schedule submits."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["workflow"]
    name: str
    title: str | None
    tasks: dict[str, Any] = Field(description=f"{TASKS}; without their inputs for who lacks payload.read")


class ScheduleInfo(BaseModel):
    """A schedule."""

    name: str = Field(examples=["nightly"])
    when: str = Field(description="When it fires, in words", examples=["every weekday at 07:30 Berlin time"])
    what: ScheduledTask | ScheduledWorkflow
    cron: str | None = Field(description=CRON)
    interval_seconds: float | None = Field(description=INTERVAL)
    time_zone: str = Field(description=ZONE)
    catch_up: str = Field(description=CATCH_UP)
    catch_up_limit: int = Field(description=LIMIT)
    overlap: str = Field(description=OVERLAP)
    jitter_seconds: float = Field(description=JITTER)
    starts_at: datetime | None = Field(description=STARTS)
    ends_at: datetime | None = Field(description=ENDS)
    expected_seconds: float | None = Field(description=EXPECTED)
    is_enabled: bool = Field(description="False: it is paused")
    owner: str = Field(description="What declares it, code:<type> or file:<name>; empty: it is edited by people")
    next_fire_at: datetime | None = Field(description="When it fires next; null: it is paused, or over")
    created_at: datetime
    created_by: str


class ChangedSchedule(ScheduleInfo):
    """A schedule as it is after a change."""

    is_changed: bool = Field(description="False if it was like this already")


class FireInfo(BaseModel):
    """What became of a fire time."""

    fire_time: datetime
    outcome: str = Field(description="due, submitted, skipped, replaced, missed or refused")
    origin: str = Field(description="time, manual or backfill")
    task_id: str | None
    workflow_id: str | None = Field(description="While it is due, the id that the workflow will have")
    reason: str | None = Field(description="Why it has submitted nothing, or what it submitted was cancelled")
    recorded_at: datetime
    state: str | None = Field(description="Of its task or workflow; null without one, or if that was deleted")
    run_seconds: float | None = Field(description="How long its task ran or its workflow took, if it has ended")


class FireTimes(BaseModel):
    """When a schedule fires next, in UTC."""

    when: str = Field(description="In words", examples=["every weekday at 07:30 Berlin time"])
    fire_times: list[datetime]


class RanNow(BaseModel):
    """The task or workflow that was submitted."""

    id: str
    kind: str = Field(description="task or workflow")


class Span(BaseModel):
    """A span of fire times to make up for, at most until now."""

    model_config = ConfigDict(extra="forbid")

    since: GivenTime
    until: GivenTime
    is_counted_only: bool = Field(False, description="Submit nothing, only count")


class Backfilled(BaseModel):
    """What was submitted for a span, or would be."""

    count: int = Field(description="Fire times that submit something, or would")
    submitted_before: int = Field(description="Fire times that had submitted theirs before")
    ids: list[str] = Field(description="The tasks or workflows; empty if it was only counted")


class DeclaredSchedules(BaseModel):
    """All schedules of a file, by name."""

    model_config = ConfigDict(extra="forbid")

    schedules: dict[str, ScheduleRule] = Field(
        examples=[{"nightly": {"cron": "@daily", "what": {"type": "diagnostic.echo"}}}]
    )
    is_dry_run: bool = Field(False, description="Change nothing, only say what would be")


class Applied(BaseModel):
    """The names of the schedules that were added, changed or removed, or would be."""

    added: list[str]
    changed: list[str]
    removed: list[str]
