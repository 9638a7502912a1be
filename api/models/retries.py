"""Defines what retries do, or would do, as answers have it."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from taskyard.api.models.tasks import EXAMPLE_ID
from taskyard.core.retry_outcome import LeftOut, RetryPreview, RunAgain
from taskyard.core.states import TaskState

RETRY_SCOPES = (
    "`this`; `downstream`: and all that come after it; `chain`: and the failed and cancelled ones before it, and all"
    " that come after these"
)


class Retried(BaseModel):
    """What a retry made run again."""

    tasks: int = Field(description="Tasks that run again", examples=[3])
    cancelled_below: int = Field(
        description="Cancelled tasks that come after it and stay so: the scope `downstream` retries them as well"
    )


class TaskAgain(BaseModel):
    """A task that would run again."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=[EXAMPLE_ID])
    type: str = Field(examples=["diagnostic.echo"])
    title: str | None
    state: TaskState
    then: TaskState = Field(description="Its state after the retry")
    key: str | None = Field(None, description="Its key in its workflow; null if it has none", examples=["pages/17"])


class TaskLeftOut(BaseModel):
    """A task that would stay as it is, since another parent keeps it from starting."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=[EXAMPLE_ID])
    type: str = Field(examples=["diagnostic.echo"])
    title: str | None
    state: TaskState
    parent_id: str = Field(examples=[EXAMPLE_ID])
    parent_state: TaskState | None = Field(description="Null if it no longer exists")
    key: str | None = Field(None, description="Its key in its workflow; null if it has none", examples=["pages/17"])


class RetryPlan(BaseModel):
    """What a retry would do."""

    count: int = Field(description="Tasks that would run again", examples=[3])
    tasks: list[TaskAgain] = Field(description="The first 100 of them, parents before their children")
    left_out_count: int = Field(description="Tasks that come after it and would stay as they are")
    left_out: list[TaskLeftOut] = Field(description="The first 100 of them")
    cancelled_below: int = Field(description="With the scope `this`: cancelled tasks that come after it and stay so")

    @classmethod
    def of(cls, found: RetryPreview) -> Self:
        """Returns a preview as answers have it."""
        return cls(
            count=found.count,
            tasks=[TaskAgain.model_validate(one) for one in found.tasks],
            left_out_count=found.left_out_count,
            left_out=[TaskLeftOut.model_validate(one) for one in found.left_out],
            cancelled_below=found.cancelled_below,
        )

    def as_preview(self) -> RetryPreview:
        """Returns it as the engine has it."""
        return RetryPreview(
            self.count,
            tuple(RunAgain(**one.model_dump()) for one in self.tasks),
            self.left_out_count,
            tuple(LeftOut(**one.model_dump()) for one in self.left_out),
            self.cancelled_below,
        )
