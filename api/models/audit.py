"""Defines events of the audit log as answers have them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class EventInfo(BaseModel):
    """An event of the audit log; without a task it concerns something else."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    event: str = Field(examples=["paused"])
    actor: str = Field(examples=["person:ann"])
    task_id: str | None
    agent_id: str | None
    from_state: str | None
    to_state: str | None
    attempt: int | None
    detail: dict[str, Any] | None
    is_masked: bool = Field(False, description="Whether something is hidden for want of the permission payload.read")


class EventsPage(BaseModel):
    """A page of events, newest first."""

    events: list[EventInfo]
    next: str | None = Field(description="Pass it as `before` for older events; null at the end of the log")
    searched_to: datetime | None = Field(
        description="Set if the time ran out before the page was full: `next` goes on with older events"
    )
