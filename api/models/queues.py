"""Defines queues, their figures and holds as requests and answers have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from taskyard.api.models.common import HoldInfo, Reason
from taskyard.core.states import TaskState
from taskyard.core.telemetry.queue_figures import WINDOWS_MINUTES
from taskyard.core.views.queues import LaneNow, Queue


class NewHold(Reason):
    """A pause or drain to begin."""

    mode: Literal["paused", "draining"] = Field(
        description="paused: tasks are accepted and wait. draining: new tasks are refused, existing ones finish",
        examples=["paused"],
    )


class QueueRates(BaseModel):
    """Tasks per minute in a window that ends now."""

    model_config = ConfigDict(from_attributes=True)

    minutes: int = Field(description="The window's length", examples=[5])
    arrived: float
    completed: float
    ended: float = Field(description="Completed, failed or cancelled")


class LaneInfo(BaseModel):
    """The ready tasks of one lane: those of one type with the same tags."""

    type: str = Field(examples=["diagnostic.echo"])
    requires: list[str] = Field(description="Tags that their agent must have")
    ready: int
    oldest_seconds: float | None = Field(description="How long the oldest has been ready")
    by_priority: dict[str, int]
    reason: str = Field(description="Why no agent takes them, in the language of the request; empty if one does")
    is_stuck: bool = Field(description="Whether no registered agent could ever take them")

    @classmethod
    def of(cls, lane: LaneNow, say: Callable[[str], str]) -> LaneInfo:
        """Returns a lane as answers have it, with its reason as `say` translates it."""
        return cls(
            type=lane.lane.type,
            requires=list(lane.lane.requires),
            ready=lane.ready,
            oldest_seconds=lane.oldest_seconds,
            by_priority=dict(lane.by_priority),
            reason=say(lane.reason),
            is_stuck=lane.is_stuck,
        )


class QueueInfo(BaseModel):
    """A queue with its figures, as the dashboard's page shows them."""

    name: str = Field(examples=["default"])
    state: str = Field(description="open, paused or draining", examples=["open"])
    policy: str = Field(description="How tasks are placed: spread or pack", examples=["spread"])
    ready: int = Field(description="Tasks that wait for a free agent")
    running: int = Field(description="Tasks that an agent has")
    scheduled: int = Field(description="Tasks that are due later")
    blocked: int = Field(description="Tasks that wait for other tasks")
    suspended: int = Field(description="Tasks that gave their slot back until something happens")
    by_priority: dict[str, int] = Field(description="Ready tasks by priority")
    oldest_seconds: float | None = Field(description="How long the oldest ready task has waited")
    rates: list[QueueRates] | None = Field(description="Null for a role that is narrowed to task types")
    drain_seconds: float | None = Field(description="Estimated time until the backlog is empty; null if unknown")
    drain_unknown_because: str | None = Field(description="Why that is unknown", examples=["grows"])
    hold: HoldInfo | None = Field(description="The pause or drain in force")

    @classmethod
    def of(cls, queue: Queue, *, has_rates: bool) -> QueueInfo:
        """Returns a queue as answers have it; without `has_rates` it leaves out what counts all types."""
        figures = queue.figures
        rates = [
            QueueRates(minutes=minutes, arrived=rate.arrived, completed=rate.completed, ended=rate.ended)
            for minutes in WINDOWS_MINUTES
            for rate in [figures.rates[minutes]]
        ]
        return cls(
            name=queue.name,
            state=queue.state,
            policy=figures.policy,
            ready=queue.ready,
            running=queue.running,
            scheduled=figures.open.get(TaskState.SCHEDULED, 0),
            blocked=figures.open.get(TaskState.BLOCKED, 0),
            suspended=figures.open.get(TaskState.SUSPENDED, 0),
            by_priority=dict(queue.by_priority),
            oldest_seconds=figures.oldest_seconds,
            rates=rates if has_rates else None,
            drain_seconds=queue.drain.seconds if has_rates else None,
            drain_unknown_because=queue.drain.reason if has_rates else None,
            hold=None if queue.hold is None else HoldInfo.model_validate(queue.hold),
        )


class QueueDetails(QueueInfo):
    """A queue with its lanes."""

    lanes: list[LaneInfo] = Field(description="Ready tasks by what their agent needs")


class Queues(BaseModel):
    """All queues with unfinished tasks, a hold, a setting or activity in the last hour, by name."""

    is_led: bool = Field(description="Whether a worker leads; if not, nothing is started")
    queues: list[QueueInfo]


class QueueSeries(BaseModel):
    """A queue over a range: every series has one value for each of `at`, rates are per minute."""

    model_config = ConfigDict(from_attributes=True)

    at: list[float] = Field(description="The beginning of each step, in epoch seconds")
    arrived: list[float]
    ended: list[float]
    waiting: list[float | None] = Field(description="Null where nothing was measured")
    oldest_seconds: list[float | None]
