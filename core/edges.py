"""Defines the edges between tasks: what a child waits for, and when that is met (pure)."""

from __future__ import annotations

from enum import StrEnum

from taskyard.core.states import TERMINAL, TaskState


class Condition(StrEnum):
    """The end of a parent that its child waits for."""

    COMPLETED = "completed"
    ENDED = "ended"  # however it ended
    FAILED = "failed"


class EdgeKind(StrEnum):
    """Why a task waits for another one."""

    AFTER = "after"  # it was submitted to start after it
    CHILDREN = "children"  # it submitted it, and is suspended until it has ended


def is_met(condition: Condition, parent: TaskState) -> bool | None:
    """Returns whether a parent in this state meets the condition; None: it is not decided yet."""
    if parent not in TERMINAL:
        return None
    return condition is Condition.ENDED or condition.value == parent.value
