"""Defines the explanation of why a task waits, for those who make it and those who show it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from taskyard.core.states import TaskState


@dataclass(frozen=True, slots=True)
class Eligibility:
    """One agent's eligibility: whether it would take the task now (`takes`) or could later (`can`), and why not."""

    agent: str
    takes: bool
    can: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation. `summary` is one line; times are in seconds, None if unknown.

    `before` counts the tasks of the same lane that go first, `lane_depth` all tasks in it. `prediction` says how long
    it is predicted to run, empty: nothing is known. `starts` says when it may start: between `starts_low_seconds` and
    `starts_high_seconds` from now, which held for `starts_coverage` of the last tasks (None: too few).
    """

    task_id: str
    state: TaskState
    summary: str
    holds: list[str] = field(default_factory=list)
    before: int | None = None
    lane_depth: int | None = None
    agents: list[Eligibility] = field(default_factory=list)
    starts_in_seconds: float | None = None
    prediction: str = ""
    starts: str = ""
    starts_low_seconds: float | None = None
    starts_high_seconds: float | None = None
    starts_coverage: float | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
