"""Defines problem documents (RFC 9457)."""

from __future__ import annotations

from pydantic import BaseModel, Field


class FieldError(BaseModel):
    """One part of a request that is not accepted."""

    item: int | None = Field(None, description="Of a list of tasks: the number of its task, the first is 1")
    field: str = Field(description="Where it is: `input.rows.3.name`, `priority`, `query.limit`", examples=["priority"])
    value: str = Field(description="What was given, shortened; empty if nothing was", examples=["'hihg'"])
    expected: str = Field(description="What would be accepted", examples=["one of low, medium, high, urgent"])


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(description="A name for this kind of problem", examples=["taskyard:invalid"])
    title: str = Field(description="What this kind of problem is", examples=["The request is not accepted"])
    status: int = Field(description="The HTTP status", examples=[422])
    detail: str = Field(description="What happened, in the language of `Accept-Language`")
    errors: list[FieldError] = Field([], description="The parts that are not accepted")
    task_id: str | None = Field(None, description="Of `idempotency-conflict`: the task that has the key")
    state: str | None = Field(None, description="Of `wrong-state`: the task's state")
    permission: str | None = Field(None, description="Of `forbidden`: what is lacking", examples=["task.operate"])
