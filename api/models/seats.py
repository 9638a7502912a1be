"""Defines how the API shows the seats of an agent with an engine."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AgentSeat(BaseModel):
    """A place on a node, and the attempt that it runs; `task_id` is empty while it is idle."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    node: str
    task_id: str
    attempt: int


class ComingSeat(BaseModel):
    """A place that was asked for `seconds` ago, and why it is not there, in the engine's own words."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    seconds: float
    why: str


class AgentSeats(BaseModel):
    """The places that an agent's engine brings to its nodes."""

    model_config = ConfigDict(from_attributes=True)

    engine: str = Field(examples=["ray"])
    here: list[AgentSeat]
    coming: list[ComingSeat]
    waiting: int = Field(description="Attempts that wait for one")
    problem: str = Field(description="Why none comes, as far as it is known")
