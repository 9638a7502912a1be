"""Defines the edges between tasks: what a child waits for, when that is met, and how far commands go (pure)."""

from __future__ import annotations

from enum import StrEnum

from taskyard.core.states import TERMINAL, TaskState


class Condition(StrEnum):
    """The end of a parent that its child waits for."""

    COMPLETED = "completed"
    ENDED = "ended"  # however it ended
    FAILED = "failed"  # or was cancelled because a task before it failed


class EdgeKind(StrEnum):
    """Why a task waits for another one."""

    AFTER = "after"  # it was submitted to start after it
    CHILDREN = "children"  # it submitted it, and is suspended until it has ended


class EdgeState(StrEnum):
    """What an edge between two tasks means to the child."""

    WAITS = "waits"  # its parent has not ended yet
    MET = "met"
    NEVER = "never"  # its parent ended otherwise: the child can't start unless that runs again


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


def edge_state(condition: Condition, parent: TaskState, *, was_met: bool) -> EdgeState:
    """Returns what an edge means to the child; `was_met` says that it was met, whatever its parent does since then."""
    now = is_met(condition, parent)
    if was_met or now is True:
        return EdgeState.MET
    return EdgeState.WAITS if now is None else EdgeState.NEVER
