"""Defines questions of tasks to people as answers have them; the client reads them, so nothing here needs a server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class GivenAnswerInfo(BaseModel):
    """What one person said to a question."""

    model_config = ConfigDict(from_attributes=True)

    person: str = Field(description="Their name", examples=["ann"])
    decision: str = Field(description="approved or declined", examples=["approved"])
    data: Any = Field(description="What they approved; null without data; masked for those who may not read payloads")
    reason: str = Field(examples=["looks well"])
    at: datetime


class RefusedAnswerInfo(BaseModel):
    """An earlier answer that the task's handler did not accept."""

    people: list[str] = Field(description="Who gave it", examples=[["ann"]])
    reason: str = Field(
        description="Why it was not accepted; masked for those who may not read payloads",
        examples=["data.version: '1.2' is not accepted, expected a version that was built"],
    )
    data: Any = Field(
        None,
        description="What was approved in it, to be corrected; masked for those who may not read payloads",
        examples=[{"version": "1.2"}],
    )


class QuestionInfo(BaseModel):
    """A question of a task to people."""

    id: str
    task_id: str = Field(description="The task that waits for the answer")
    task_type: str = Field(examples=["demo.deploy"])
    task_title: str | None
    queue: str = Field(examples=["default"])
    key: str = Field(description="By which its task knows it", examples=["deploy"])
    question: str = Field(examples=["Deploy to production?"])
    context: str = Field(description="What its task says about it; masked for those who may not read payloads")
    json_schema: dict[str, Any] | None = Field(
        alias="schema", description="The JSON Schema of the data of an approval; null: none are given"
    )
    of: list[str] = Field(description="Roles and names of people who are asked", examples=[["operator"]])
    needs: int = Field(description="How many people must approve")
    not_by_submitter: bool = Field(description="Whether it is not for who submitted the task")
    submitted_by: str = Field(examples=["person:sam"])
    delegated_to: list[str] = Field(description="People who may answer besides")
    state: str = Field(description="open, answered, declined, expired or withdrawn", examples=["open"])
    asked_at: datetime
    deadline: datetime | None = Field(description="When its time runs out; null: never")
    ended_at: datetime | None
    unreached: list[str] = Field(description="Those of whom it is asked by whom nobody may answer", examples=[["lead"]])
    lacking: int = Field(
        description="How many more people would have to be among those who may answer it, so that enough can approve; "
        "0 also where everybody on the machine may answer",
        examples=[0],
    )
    refused: RefusedAnswerInfo | None = Field(
        description="The answer because of which it is asked again; null: it is asked for the first time"
    )
    answers: list[GivenAnswerInfo]
    is_yours: bool = Field(description="Whether an answer of who asks would count")
