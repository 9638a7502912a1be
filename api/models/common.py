"""Defines what requests of several resources contain."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from taskyard.core.humanize import parsed_span
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.typed_text import MAX_REASON_LENGTH, checked

MIN_RANGE_SECONDS, MAX_RANGE_SECONDS = 60, 3 * 366 * 86_400
RANGE_TEXT = "How far back from now: a number with s, m, h, d or w, such as 15m, 24h or 7d"


def check_reason(text: str) -> str:
    """Returns a reason that the audit log can hold; raises SubmissionError."""
    return checked("reason", text, is_required=False)


def range_seconds(text: str) -> int:
    """Returns a range's length; raises SubmissionError."""
    seconds = parsed_span(text)
    if seconds is None or not MIN_RANGE_SECONDS <= seconds <= MAX_RANGE_SECONDS:
        raise refused("range", text, msg("a span of 1 minute to 3 years, such as 15m, 24h or 7d"))
    return seconds


ReasonText = Annotated[
    str,
    Field(max_length=MAX_REASON_LENGTH, description="Why, for the audit log", examples=["wrong data"]),
    AfterValidator(check_reason),
]


class Reason(BaseModel):
    """Why an operation is done, for the audit log."""

    model_config = ConfigDict(extra="forbid")

    reason: ReasonText = ""


class Changed(BaseModel):
    """Whether an operation changed something; if not, it was like this already."""

    is_changed: bool = Field(description="False if it was like this already")


class HoldInfo(BaseModel):
    """A pause or drain of a queue, a task type or an agent."""

    model_config = ConfigDict(from_attributes=True)

    kind: str = Field(description="queue, type or agent", examples=["queue"])
    name: str = Field(examples=["nightly"])
    mode: str = Field(description="paused or draining", examples=["paused"])
    actor: str = Field(examples=["person:ann"])
    reason: str = Field(examples=["the database is upgraded"])
    since: datetime
