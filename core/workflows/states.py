"""Defines the states of a workflow, and its progress by predicted work (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from taskyard.core.states import TERMINAL, TaskState

MAX_OPEN_PROGRESS = 0.99  # what is left may be predicted to take no time, such as a question's handler
MIN_SECONDS = 1e-6  # of a type's mean run time: shorter ones can't be told apart


class WorkflowState(StrEnum):
    """The state of a workflow."""

    RUNNING = "running"
    STUCK = "stuck"  # it has open tasks, and others that can't start, for something failed
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


RAN_STATES = (TaskState.COMPLETED, TaskState.FAILED)
OPEN = frozenset({WorkflowState.RUNNING, WorkflowState.STUCK})


class Figures(NamedTuple):
    """The tasks of a workflow of one queue, type and state.

    `held_back` of them can't start for a parent's end. `run_seconds` is the sum of those that completed, and `progress`
    that of those that run.
    """

    queue: str
    type: str
    state: TaskState
    number: int
    held_back: int
    run_seconds: float
    progress: float


def open_state(figures: Iterable[Figures]) -> WorkflowState:
    """Returns the state of a workflow that has not ended."""
    known = list(figures)
    has_failed = any(one.state is TaskState.FAILED for one in known)
    return WorkflowState.STUCK if has_failed and any(one.held_back for one in known) else WorkflowState.RUNNING


def counts_of(figures: Iterable[Figures]) -> dict[str, int]:
    """Returns the number of tasks by state."""
    found: dict[str, int] = {}
    for one in figures:
        found[one.state.value] = found.get(one.state.value, 0) + one.number
    return found


def progress_of(figures: Iterable[Figures], mean_seconds: Mapping[str, float]) -> float:
    """Returns the share of the predicted work that is done, from 0 to 1, below 1 while a task has not ended.

    The work of a task is the mean run time of its type: of the workflow's own completed tasks, or else that in
    `mean_seconds`; types of which nothing is known take what the others take on average. Completed and failed tasks are
    done, cancelled ones are not.
    """
    known = list(figures)
    ran: dict[str, tuple[float, int]] = {}
    for one in known:
        if one.state is TaskState.COMPLETED and one.number:
            seconds, count = ran.get(one.type, (0.0, 0))
            ran[one.type] = seconds + one.run_seconds, count + one.number
    weights = {**mean_seconds, **{type_: seconds / count for type_, (seconds, count) in ran.items() if seconds > 0}}
    weights = {type_: max(seconds, MIN_SECONDS) for type_, seconds in weights.items() if seconds > 0}
    usual = sum(weights.values()) / len(weights) if weights else 1.0
    total = done = 0.0
    for one in known:
        weight = weights.get(one.type, usual)
        total += weight * one.number
        done += weight * (one.number if one.state in RAN_STATES else one.progress)
    most = 1.0 if all(one.state in TERMINAL for one in known) else MAX_OPEN_PROGRESS
    return min(most, done / total) if total else 1.0


def progress_at_end(state: WorkflowState, counts: Mapping[str, int]) -> float:
    """Returns the share of an ended workflow's tasks that ran to an end; those that were not needed were."""
    if state is WorkflowState.COMPLETED:
        return 1.0
    total = sum(counts.values())
    return sum(counts.get(one.value, 0) for one in RAN_STATES) / total if total else 1.0
