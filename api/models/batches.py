"""Defines the results of submissions of many tasks."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from taskyard.api.models.tasks import EXAMPLE_ID


class SubmittedMany(BaseModel):
    """The tasks of a submission, in its order."""

    ids: list[str] = Field(description="The tasks' ids", examples=[[EXAMPLE_ID]])


class LineResult(BaseModel):
    """What became of a line: `id`, or `problem`."""

    line: int = Field(description="Its number, from 1", examples=[1])
    id: str | None = Field(None, description="The task's id", examples=[EXAMPLE_ID])
    problem: dict[str, Any] | None = Field(None, description="Why there is none: a problem document (RFC 9457)")
    is_stopped: bool = Field(False, description="True if this line and all later ones were not stored")
