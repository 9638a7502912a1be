"""Defines what a retry does, or would do, for those who do it and those who show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from taskyard.core.states import TaskState

MAX_LISTED = 100


class RunAgain(NamedTuple):
    """A task that a retry makes run again, with its state now and afterwards, and its key in its workflow."""

    id: str
    type: str
    title: str | None
    state: TaskState
    then: TaskState
    key: str | None = None


class LeftOut(NamedTuple):
    """A task below that stays as it is, and the parent that keeps it from starting (no state: it is gone)."""

    id: str
    type: str
    title: str | None
    state: TaskState
    parent_id: str
    parent_state: TaskState | None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class RetryPreview:
    """What a retry would do: the tasks that run again, parents first, and those below that stay as they are.

    Of both there are the first MAX_LISTED, and how many they are. With the scope `this` `cancelled_below` counts the
    cancelled tasks that come after it and stay so.
    """

    count: int
    tasks: tuple[RunAgain, ...]
    left_out_count: int = 0
    left_out: tuple[LeftOut, ...] = ()
    cancelled_below: int = 0


class RetryResult(NamedTuple):
    """The number of tasks that run again, and of those below that were cancelled and stay so (scope `this`)."""

    tasks: int
    cancelled_below: int = 0
