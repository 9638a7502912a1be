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


class AbsentAgentInfo(BaseModel):
    """An agent that should run and is not online."""

    name: str = Field(examples=["coder-2"])
    seconds: float = Field(description="For how long it has not been online")
    failures: int = Field(description="How often it failed in a row; 0: it is starting")
    reason: str = Field(description="Why it failed last, or what it waits for")


class PoolInfo(BaseModel):
    """The agents of one kind that pools keep running. Null: no pool that runs has the kind, or no worker leads."""

    kind: str = Field(examples=["coder"])
    hosts: list[str]
    slots: int | None = Field(description="How many tasks one agent runs at a time")
    configured: int | None = Field(description="The number of agents in the pool file")
    wanted: int | None = Field(description="How many agents should run")
    running: int | None = Field(description="How many agents are online and stay")
    starting: int | None = Field(description="How many agents start and are not online yet")
    failing: int | None = Field(description="How many agents fail again and again")
    absent: list[AbsentAgentInfo] = Field(description="Why agents are not online, of those that fail most")
    leaving: int | None = Field(description="How many agents finish what they run, and end")
    needed: int | None = Field(description="How many agents the backlog calls for")
    is_fixed: bool = Field(description="Whether the pool goes by its file alone: its orchestrator scales it")
    most: int | None = Field(description="How many agents of it one host can keep")
    chosen: ChosenSize | None = Field(description="Null: the pool file's number counts")


class PoolScaling(BaseModel):
    """How many agents of a kind should run."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(ge=0, le=MAX_AGENTS, strict=True, examples=[5])
    reason: ReasonText = ""
