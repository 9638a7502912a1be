"""Defines agents as answers have them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from taskyard.api.models.common import HoldInfo
from taskyard.api.models.seats import AgentSeats
from taskyard.core.scheduling.breaker import breaker_reason
from taskyard.core.telemetry.live_snapshot import OpenBreaker
from taskyard.core.views.agents import Agent, Record


class AgentTask(BaseModel):
    """An attempt that an agent runs."""

    model_config = ConfigDict(from_attributes=True)

    task_id: str
    attempt: int
    type: str = Field(examples=["diagnostic.echo"])
    started_at: float = Field(description="Epoch seconds")


class AgentBreaker(BaseModel):
    """A circuit breaker: the agent gets no tasks of a type, or one probe at a time."""

    type: str = Field(examples=["diagnostic.echo"])
    state: str = Field(description="open or probing", examples=["open"])
    reason: str
    since: float = Field(description="Epoch seconds")
    retry_at: float | None = Field(description="When a probe may be sent, in epoch seconds")

    @classmethod
    def of(cls, breaker: OpenBreaker, say: Callable[[str], str]) -> AgentBreaker:
        """Returns a breaker as answers have it, with its reason as `say` translates it."""
        reason = breaker_reason(breaker.reason, breaker.reason_id, breaker.reason_parameters)
        return cls(
            type=breaker.type,
            state=breaker.state,
            reason=say(reason),
            since=breaker.since,
            retry_at=breaker.retry_at,
        )


class OpenBreakerInfo(BaseModel):
    """A circuit breaker as the leader publishes it: its reason in English, with its id and parameters."""

    model_config = ConfigDict(from_attributes=True)

    type: str = Field(examples=["diagnostic.echo"])
    state: str = Field(description="open or probing", examples=["open"])
    reason: str
    since: float = Field(description="Epoch seconds")
    retry_at: float | None = Field(description="When a probe may be sent, in epoch seconds")
    reason_id: str | None
    reason_parameters: dict[str, Any] | None


class RestartInfo(BaseModel):
    """A request to restart an agent that it has not yet carried out."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    actor: str
    reason: str


class AgentInfo(BaseModel):
    """A present agent, all boots of its name together. The leader's figures are null without a leader."""

    name: str = Field(examples=["worker-1"])
    kind: str
    host: str
    boots: list[str] = Field(description="The ids of its processes")
    pids: list[int]
    types: list[str] = Field(description="Patterns of the types that it takes", examples=[["analysis.*"]])
    tags: list[str]
    slots: int = Field(description="How many tasks it runs at a time")
    agent_class: str = Field(description="A user's class; empty for the shipped one")
    state: str = Field(description="online, paused, draining or silent", examples=["online"])
    is_settled: bool = Field(description="Whether the leader already acts on that state")
    since: datetime | None
    running: int | None = Field(description="Tasks that it runs")
    tasks: list[AgentTask] = Field(description="The attempts that have started, oldest first")
    cpu_percent: float | None
    memory_bytes: int | None
    heartbeat_seconds: float | None = Field(description="Since its last heartbeat")
    breakers: list[AgentBreaker]
    hold: HoldInfo | None
    restart: RestartInfo | None
    seats: AgentSeats | None = Field(description="Of an agent with an engine: its places on other machines")

    @classmethod
    def of(cls, agent: Agent, say: Callable[[str], str]) -> AgentInfo:
        """Returns an agent as answers have it, with reasons as `say` translates them."""
        same = ("name", "kind", "host", "slots", "agent_class", "state", "is_settled", "since", "running")
        figures = ("cpu_percent", "memory_bytes", "heartbeat_seconds")
        return cls(
            **{name: getattr(agent, name) for name in (*same, *figures)},
            **{name: list(getattr(agent, name)) for name in ("boots", "pids", "types", "tags")},
            tasks=[AgentTask.model_validate(task) for task in agent.tasks],
            breakers=[AgentBreaker.of(breaker, say) for breaker in agent.breakers],
            hold=None if agent.hold is None else HoldInfo.model_validate(agent.hold),
            restart=None if agent.restart is None else RestartInfo.model_validate(agent.restart),
            seats=None if agent.seats is None else AgentSeats.model_validate(agent.seats),
        )


class GoneAgent(BaseModel):
    """A boot of an agent that left or was lost in the last day."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str = Field(examples=["worker-1"])
    host: str
    pid: int
    state: str = Field(description="left or lost", examples=["left"])
    registered_at: datetime
    left_at: datetime | None


class BootInfo(BaseModel):
    """One boot of an agent: what a process registered."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str = Field(examples=["worker-1"])
    boot_id: str
    kind: str
    host: str
    pid: int
    types: list[str] = Field(description="Patterns of the types that it takes", examples=[["analysis.*"]])
    tags: list[str]
    max_concurrency: int = Field(description="How many tasks it runs at a time")
    state: str
    registered_at: datetime
    left_at: datetime | None
    known_types: dict[str, str] | None = Field(description="The versions of its types by name; null if it said none")
    agent_class: str = Field(description="A user's class; empty for the shipped one")


class BootResults(BaseModel):
    """The attempts of an agent of one type in the last day."""

    model_config = ConfigDict(from_attributes=True)

    agent: str
    type: str
    completed: int
    failed: int
    mean_seconds: float | None = Field(description="The mean run time")
    success_rate: float = Field(description="From 0 to 1")


class Boots(BaseModel):
    """Boots of agents, with what their agents did in the last day, and open circuit breakers by agent."""

    boots: list[BootInfo]
    results: list[BootResults] = Field(description="Empty for a role that is narrowed to queues")
    breakers: dict[str, list[OpenBreakerInfo]]
    problem: str | None = Field(description="Why breakers are not known, in the language of the request")


class TimelineSpan(BaseModel):
    """An attempt in time, on a row of its agent."""

    model_config = ConfigDict(from_attributes=True)

    agent: str
    row: int = Field(description="From 0: attempts on one row do not overlap")
    task_id: str
    attempt: int
    type: str = Field(examples=["diagnostic.echo"])
    start: float = Field(description="Epoch seconds")
    end: float = Field(description="Epoch seconds")
    outcome: str = Field(description="completed, failed, attempt_failed or running", examples=["completed"])
    host: str = Field(description="Empty unless agents on several hosts use the name now")


class TimelineStep(BaseModel):
    """The attempts of an agent that ended in one step of the range."""

    model_config = ConfigDict(from_attributes=True)

    agent: str
    start: float = Field(description="Epoch seconds")
    completed: int
    failed: int = Field(description="Also those that were retried")
    run_seconds: float = Field(description="How long all of them ran, together")


class TimelineInfo(BaseModel):
    """What agents ran over a range: each attempt of the last hour, or steps of the whole range."""

    model_config = ConfigDict(from_attributes=True)

    since: float = Field(description="Epoch seconds")
    until: float = Field(description="Epoch seconds")
    known_since: float = Field(description="All that ended from this time on is counted")
    ended: int = Field(description="How many attempts ended since then")
    is_cut: bool = Field(description="Whether only the longest, or newest, are among the spans")
    spans: list[TimelineSpan]
    step_seconds: int = Field(description="The length of the steps; 0 if the spans cover the whole range")
    steps: list[TimelineStep] = Field(
        description="Of the whole range if the spans do not cover it; of the first 21 agents by name, or the one asked"
    )


class Agents(BaseModel):
    """The present agents by name, and those that left or were lost in the last day, latest first."""

    is_led: bool = Field(description="Whether a worker leads; without one nothing is known but registrations")
    at: float = Field(description="The time that durations count to, in epoch seconds")
    agents: list[AgentInfo]
    gone: list[GoneAgent]


class RunTimesInfo(BaseModel):
    """Run times of attempts of one type, exact to 5 %."""

    model_config = ConfigDict(from_attributes=True)

    attempts: int
    p50_seconds: float | None = Field(description="Null without attempts, as the next one")
    p95_seconds: float | None


class SlowerInfo(BaseModel):
    """How much slower an agent is than the others."""

    model_config = ConfigDict(from_attributes=True)

    ratio: float = Field(description="1.5 or more times the run time of the others", examples=[2.1])
    percent: int = Field(description="At which percentile: 50, or else 95", examples=[50])


class AgentResults(BaseModel):
    """An agent's attempts of one type over the range."""

    type: str = Field(examples=["diagnostic.echo"])
    completed: int
    failed: int
    mean_seconds: float | None = Field(description="The mean run time")
    success_rate: float | None = Field(description="From 0 to 1; null without attempts")
    run_times: RunTimesInfo
    others: RunTimesInfo = Field(description="Of the same type on all other agents together")
    slower: SlowerInfo | None = Field(description="Null unless it is notably slower than the others")

    @classmethod
    def of(cls, type_: str, record: Record) -> AgentResults:
        """Returns the results of one type as answers have them."""
        figures = ("completed", "failed", "mean_seconds", "success_rate")
        slower = record.comparison.slower
        return cls(
            type=type_,
            **{name: getattr(record, name) for name in figures},
            run_times=RunTimesInfo.model_validate(record.comparison.own),
            others=RunTimesInfo.model_validate(record.comparison.others),
            slower=None if slower is None else SlowerInfo.model_validate(slower),
        )


class AgentUsageSeries(BaseModel):
    """An agent's resource usage: every series has one value for each of `at`, null where nothing was measured."""

    model_config = ConfigDict(from_attributes=True)

    at: list[float] = Field(description="The beginning of each step, in epoch seconds")
    cpu_percent: list[float | None]
    memory_bytes: list[float | None]
    load_ratio: list[float | None] = Field(description="The share of its slots in use, from 0 to 1")


class AgentDetails(BaseModel):
    """An agent with its results by type and its resource usage over a range until now."""

    agent: AgentInfo
    results: list[AgentResults] | None = Field(description="Null for a role that is narrowed to queues")
    usage: AgentUsageSeries


class Restarted(BaseModel):
    """The boots that were asked to restart."""

    boots: list[str]
