"""Defines what an attempt says that suspends its task, and what one asks that goes on (see core.protocol)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from taskyard.core.protocol_values import (
    MAX_INTEGER,
    MAX_LISTED,
    Attempt,
    Count,
    Failure,
    Name,
    Seconds,
    SignalName,
    TaskId,
    UsedSignals,
)
from taskyard.core.questions.question import Asked


class UntilTime(msgspec.Struct, array_like=True, tag="time", gc=False):
    """Waits for a number of seconds from the commit on, or until `at` in epoch seconds if that is given."""

    seconds: Seconds = 0.0
    at: float | None = None


class UntilChildren(msgspec.Struct, array_like=True, tag="children", gc=False):
    """Waits until these tasks have ended that the task submitted, or all of them."""

    ids: Annotated[list[TaskId], Meta(max_length=MAX_LISTED)] | None = None


class UntilSignal(msgspec.Struct, array_like=True, tag="signal", gc=False):
    """Waits for a signal with a number beyond `after` whose data fits the JSON Schema, or for the timeout.

    With a `question` it is the answer that people give, whose signal has the name `signal_of(key)`. `used` is the
    number of the last signal by the name that the handler has taken (0: none). It tells waits by a name apart: one that
    begins again keeps its deadline. None from older agents.
    """

    name: SignalName
    schema: dict[str, Any]
    after: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] = 0
    timeout_seconds: Seconds | None = None
    question: Asked | None = None
    used: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] | None = None


Until = UntilTime | UntilChildren | UntilSignal


class Suspended(msgspec.Struct, array_like=True, tag="suspended", gc=False):
    """An attempt gave its slot back: the task goes on as a new attempt once `until` holds. `agent_id` as in Done.

    With `has_state`, `state` becomes the checkpoint, with what Checkpoint has besides it; without, the earlier one
    stays. `failure` is that of a RetryAfter.
    """

    task_id: TaskId
    attempt: Attempt
    until: Until
    has_state: bool
    state: msgspec.Raw
    started_at: float  # epoch seconds, as in Started
    run_seconds: Seconds
    cpu_seconds: Seconds | None = None
    peak_memory_bytes: Count | None = None
    agent_id: Name = ""
    children: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] = 0
    signals: UsedSignals = {}
    failure: Failure | None = None


class AskChildren(msgspec.Struct, array_like=True, tag="outcomes", gc=False):
    """A running task asks how these of its children ended, or all; answered with a page of outcomes. See Checkpoint.

    The page begins after the id `after` (empty: at the first).
    """

    agent_id: Name
    request_id: Name
    task_id: TaskId
    attempt: Attempt
    ids: Annotated[list[TaskId], Meta(max_length=MAX_LISTED)] | None = None
    after: Annotated[str, Meta(max_length=36)] = ""
    holder: Name = ""
