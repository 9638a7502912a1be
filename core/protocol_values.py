"""Defines the ranges of the protocol's fields, and what several of its messages have."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from taskyard.core.signal_limits import MAX_SIGNAL_NAME_LENGTH, MAX_SIGNALS

MAX_INTEGER = (1 << 31) - 1  # PostgreSQL's
MAX_BYTES = (1 << 63) - 1
MAX_SECONDS = 1e9  # some 30 years
MAX_NAME_LENGTH = 1_000  # characters
MAX_TEXT_LENGTH = 10_000  # characters of a progress text or a line of a handler's log
MAX_FAILURE_LENGTH = 1 << 20  # characters of a failure's message or traceback
MAX_LISTED = 10_000  # patterns of types, tags, children that a task waits for

Name = Annotated[str, Meta(max_length=MAX_NAME_LENGTH)]
Text = Annotated[str, Meta(max_length=MAX_TEXT_LENGTH, pattern=r"\A[^\x00]*\Z")]
LongText = Annotated[str, Meta(max_length=MAX_FAILURE_LENGTH)]
TaskId = Annotated[str, Meta(min_length=36, max_length=36)]  # decoders look at its length only; see core.ids.is_id
Attempt = Annotated[int, Meta(ge=1, le=MAX_INTEGER)]
Seconds = Annotated[float, Meta(ge=0, le=MAX_SECONDS)]
FireTime = Annotated[float, Meta(ge=0, le=2e10)]  # in epoch seconds, within any calendar
Count = Annotated[int, Meta(ge=0, le=MAX_BYTES)]
Position = Annotated[str, Meta(pattern=r"\A[0-9]{1,20}-[0-9]{1,20}\Z")]
Pair = tuple[TaskId, Attempt]
SignalName = Annotated[str, Meta(min_length=1, max_length=MAX_SIGNAL_NAME_LENGTH, pattern=r"\A[^\x00]*\Z")]
UsedSignals = Annotated[dict[SignalName, Annotated[int, Meta(ge=0, le=MAX_INTEGER)]], Meta(max_length=MAX_SIGNALS)]


def is_storable(name: str) -> bool:
    """Returns True if an external name can be stored as text."""
    return "\x00" not in name and len(name) <= MAX_NAME_LENGTH


class Failure(msgspec.Struct, array_like=True, gc=False):
    """A failure of an attempt: an ErrorClass, one line for users, and the traceback if there is one."""

    error_class: Name
    message: LongText
    traceback: LongText | None = None
