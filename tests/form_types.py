"""A task type whose form has a field of every kind; the dashboard loads this module by its name."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from taskyard.core.task_types.registry import task_type
from taskyard.worker.attempts.context import TaskContext


class Every(BaseModel):
    word: str = Field("none", max_length=5)
    text: str = Field("", max_length=4_000)
    count: int = Field(3, ge=1, le=10)
    ratio: float = Field(1.0, ge=0)
    is_on: bool = False
    maybe: bool | None = None
    size: Literal["s", "m", "l"] = "m"
    shape: Literal["a circle of some size", "a square of some size", "a triangle of some size"] = (
        "a circle of some size"
    )
    colors: list[Literal["red", "green", "blue"]] = Field(default_factory=list)
    numbers: list[int] = Field(default_factory=list)
    api_token: str = ""
    table: dict[str, Any] = Field(default_factory=dict)


@task_type("forms.every")
def every(given: Every, context: TaskContext) -> Every:
    """Has a field of every kind."""
    return given
