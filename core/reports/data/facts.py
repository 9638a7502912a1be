"""Defines what is read for a report, before its figures are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from taskyard.core.postgres.store.history import Point
from taskyard.core.reports.data.outages import LedUnit
from taskyard.core.reports.data.report import AlertLine, FailureLine, Scope
from taskyard.core.reports.data.terms import Terms


@dataclass(frozen=True, slots=True)
class AgentRuns:
    """One agent's results in a range with tasks of a scope, and its run time for all tasks."""

    agent: str
    completed: int
    failed_attempts: int
    timed_out: int
    runs: int
    run_seconds: float
    all_run_seconds: float


@dataclass(frozen=True, slots=True)
class Load:
    """Samples of one agent in one step: their number, and the sums of busy slots and of their share of its slots."""

    at: float
    agent: str
    count: int
    running: float
    share: float


@dataclass(frozen=True, slots=True)
class Presence:
    """An agent's boots in a range: its slots now, and slots × the seconds of its presence."""

    slots: int
    slot_seconds: float


@dataclass(frozen=True, slots=True)
class Peak:
    """The unit of a level with the most completed tasks."""

    level_seconds: int
    at: float
    completed: int


@dataclass(frozen=True, slots=True)
class Side:
    """The data of one of the two periods, in epoch seconds."""

    since: float
    until: float
    points: Sequence[Point]
    types: Mapping[str, Point]
    loads: Sequence[Load]
    led_minutes: int
    queues: Mapping[str, Point] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """All data read for a report. `first_led` is when a leader was first seen working, ever."""

    scope: Scope
    made_at: float
    step_seconds: int
    unit_seconds: int
    now: Side
    before: Side
    first_led: float | None
    agents: Sequence[AgentRuns] = ()
    presence: Mapping[str, Presence] = field(default_factory=dict)
    failures: Sequence[FailureLine] = ()
    failures_left_out: int = 0
    peaks: Sequence[Peak] = ()
    led_units: Sequence[LedUnit] = ()
    alerts: Sequence[AlertLine] = ()
    alerts_left_out: int = 0
    terms: Terms = field(default_factory=Terms)
