"""Defines error groups as requests and answers have them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from taskyard.api.models.common import Reason
from taskyard.api.models.tasks import EXAMPLE_ID, TaskSummary
from taskyard.core.postgres.store.failures import MAX_FAILED, FailureGroup


class NewMute(Reason):
    """For how long an error group is muted."""

    seconds: float = Field(description="More than 0, at most a year", examples=[86_400])


class Muted(BaseModel):
    """The end of a mute."""

    until: datetime


class GroupInfo(BaseModel):
    """Failures with one fingerprint, which probably have the same cause.

    Counts are of the range, and null for a role that is narrowed to queues: they count all queues.
    """

    fingerprint: str = Field(description="16 hex digits", examples=["00aa11bb22cc33dd"])
    type: str = Field(examples=["analysis.profile"])
    error_class: str = Field(examples=["permanent"])
    message: str = Field(description="Of the last failure; `…` without the permission payload.read")
    attempts: int | None = Field(description="Failed attempts")
    tasks: int | None = Field(description="Distinct tasks that failed for good")
    agents: dict[str, int] | None = Field(description="Failed attempts by agent; the name is empty if none had it")
    first_seen: datetime = Field(description="Of all time")
    last_seen: datetime = Field(description="Of all time")
    example_task_id: str | None = Field(description="One of its tasks", examples=[EXAMPLE_ID])
    muted_until: datetime | None
    muted_by: str | None
    mute_reason: str | None
    is_masked: bool = Field(False, description="Whether the message is hidden for want of the permission payload.read")

    @classmethod
    def of(cls, group: FailureGroup, *, has_counts: bool, is_masked: bool) -> GroupInfo:
        """Returns a group as answers have it; without `has_counts` it leaves out what counts all queues."""
        counted = ("attempts", "tasks", "agents", "example_task_id")
        same = [name for name in cls.model_fields if name not in (*counted, "is_masked")]
        return cls(
            **{name: getattr(group, name) for name in same},
            **{name: getattr(group, name) if has_counts else None for name in counted},
            is_masked=is_masked,
        )


class ListedGroup(GroupInfo):
    """A group in a list."""

    failed_now: int | None = Field(description=f"Tasks that are failed still; {MAX_FAILED} means that many or more")
    trend: list[int] | None = Field(description="Failed attempts in equal steps of the range, oldest first")
    is_new: bool = Field(description="Whether it began in the range")


class Groups(BaseModel):
    """Error groups of a range."""

    groups: list[ListedGroup]
    matching: int = Field(description="Groups that match, of which `limit` are listed")
    muted: int = Field(description="Groups that match besides, and are muted")
    is_cut: bool = Field(description="Whether there are more groups than were read: narrow the range")


class GroupDetails(BaseModel):
    """A group in a range, with its newest tasks."""

    group: GroupInfo
    failed_now: int | None = Field(description=f"Tasks that are failed still; {MAX_FAILED} means that many or more")
    at: list[float] | None = Field(description="The beginning of each step, in epoch seconds")
    counts: list[int] | None = Field(description="Failed attempts of each step")
    latest: list[TaskSummary] = Field(description="The newest tasks whose last error it is")
