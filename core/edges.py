"""Defines the edges between tasks: what a child waits for, when that is met, and how far commands go (pure)."""

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


class RetryScope(StrEnum):
    """Which tasks a retry of one makes run again."""

    THIS = "this"
    DOWNSTREAM = "downstream"  # and all that come after it
    CHAIN = "chain"  # and the failed and cancelled ones before it, and all that come after any of these


class CancelScope(StrEnum):
    """Which tasks a cancellation of one ends, besides those that wait for it."""

    THIS = "this"
    TREE = "tree"  # and all that it and its children submitted


def is_met(condition: Condition, parent: TaskState) -> bool | None:
    """Returns whether a parent in this state meets the condition; None: it is not decided yet."""
    if parent not in TERMINAL:
        return None
    return condition is Condition.ENDED or condition.value == parent.value
