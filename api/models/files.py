"""Defines checks of files of tasks, and the states of many tasks."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from taskyard.api.models.tasks import EXAMPLE_ID

MAX_IDS = 50_000


class RowProblemInfo(BaseModel):
    """Something in a row of a file that is not accepted."""

    row: int = Field(description="Its number, from 1; of CSV the header is the first", examples=[2])
    field: str = Field(examples=["priority"])
    value: str = Field(description="Its beginning, or nothing", examples=["hihg"])
    expected: str = Field(description="In the language of the request")


class FileCheck(BaseModel):
    """What would become of a file's rows."""

    rows: int = Field(description="How many there are")
    accepted: int = Field(description="How many would be tasks")
    known: int = Field(description="How many of these are tasks already: the same file again doubles nothing")
    refused: int = Field(description="How many have problems")
    problems: list[RowProblemInfo] = Field(description="In the order of rows, the first 1,000")


class TaskIds(BaseModel):
    """Tasks, by their ids."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Annotated[str, Field(examples=[EXAMPLE_ID])]] = Field(min_length=1, max_length=MAX_IDS)


class UnsuccessfulTask(BaseModel):
    """A task that failed or was cancelled."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=[EXAMPLE_ID])
    type: str
    title: str | None
    state: str
    error_class: str | None
    message: str | None = Field(description="The beginning of its error's message; null without payload.read")


class TaskStates(BaseModel):
    """How many of the tasks are in each state, and the first that did not succeed."""

    states: dict[str, int]
    unsuccessful: list[UnsuccessfulTask]
