"""Defines signals as requests and answers have them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from taskyard.api.models.common import ReasonText


class NewSignal(BaseModel):
    """A signal to a task."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"data": {"by": "ann"}, "signal_id": "change-4711"}]}
    )

    data: Any = Field(None, description="What the task gets")
    signal_id: str | None = Field(None, description="The same id again is the same signal; a new one if there is none")
    reason: ReasonText = ""
