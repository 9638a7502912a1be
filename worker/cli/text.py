"""Values as text for people. What comes from tasks can't reach the terminal's controls or rich's markup."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from taskyard.core.errors import SubmissionError
from taskyard.core.humanize import compact_duration
from taskyard.core.ids import parsed_id


def pretty_json(value: object) -> str:
    """`value` as indented JSON for people, in which what is not printable is written as JSON writes it."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def instant(at: datetime | None) -> str:
    """A time in the local time zone, to the second; nothing for None."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else ""


def age(at: datetime) -> str:
    """How long ago a time was."""
    return compact_duration(seconds_since(at))


def seconds_since(at: datetime) -> float:
    """Seconds since a time, at least 0 (clocks of two hosts may differ)."""
    return max(0.0, (datetime.now(UTC) - at).total_seconds())


def task_id(value: str) -> str:
    """`value` as the id of a task; raises SubmissionError."""
    known = parsed_id(value)
    if known is None:
        raise SubmissionError("task", value, "a task id (a UUID)")
    return known
