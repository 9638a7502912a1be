"""Defines pools of agents as answers have them, and what changes their size."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from taskyard.api.models.common import ReasonText
from taskyard.core.scheduling.pool_sizes import MAX_AGENTS


class ChosenSize(BaseModel):
    """A number of agents that somebody chose instead of the one in the pool file."""

    count: int
    actor: str
    reason: str
    since: datetime


class PoolInfo(BaseModel):
    """The agents of one kind that pools keep running. Null: no pool that runs has the kind, or no worker leads."""

    kind: str = Field(examples=["coder"])
    hosts: list[str]
    slots: int | None = Field(description="How many tasks one agent runs at a time")
    configured: int | None = Field(description="The number of agents in the pool file")
    wanted: int | None = Field(description="How many agents should run")
    running: int | None = Field(description="How many agents run and stay")
    leaving: int | None = Field(description="How many agents finish what they run, and end")
    needed: int | None = Field(description="How many agents the backlog calls for")
    is_fixed: bool = Field(description="Whether the pool goes by its file alone: its orchestrator scales it")
    chosen: ChosenSize | None = Field(description="Null: the pool file's number counts")


class PoolScaling(BaseModel):
    """How many agents of a kind should run."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(ge=0, le=MAX_AGENTS, strict=True, examples=[5])
    reason: ReasonText = ""
