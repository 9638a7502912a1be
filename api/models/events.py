"""Defines the events of streams."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Event(BaseModel):
    """An event of the audit log."""

    model_config = ConfigDict(from_attributes=True)

    task_id: str | None = Field(description="The task; null if it concerns something else")
    at: datetime
    event: str = Field(examples=["completed"])
    from_state: str | None
    to_state: str | None
    attempt: int | None
    actor: str
    agent_id: str | None
    detail: dict[str, Any] | None
    queue: str | None
    type: str | None
    is_masked: bool = Field(False, description="True if values are hidden, for want of the permission payload.read")
