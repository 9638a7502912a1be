"""Defines what is said to questions of tasks, as requests have it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from taskyard.api.models.common import ReasonText


class GivenAnswer(BaseModel):
    """An answer to a question."""

    model_config = ConfigDict(extra="forbid")

    decision: str = Field(description="approved or declined", examples=["approved"])
    data: Any = Field(None, description="What is approved, as its JSON Schema says", examples=[{"version": "1.2"}])
    reason: ReasonText = Field("", description="Why; a decline needs one", examples=["looks well"])


class Delegation(BaseModel):
    """Somebody else who may answer."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(description="The name of a person", examples=["kim"])
    reason: ReasonText = Field("", examples=["on holiday"])
