"""Formats values as text for users. Text from tasks can't reach the terminal's controls or rich's markup."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from taskyard.core.errors import SubmissionError
from taskyard.core.humanize import compact_duration
from taskyard.core.ids import parsed_id

MASKED = "masked: your role lacks payload.read"


def pretty_json(value: object) -> str:
    """Returns `value` as indented JSON for users, with everything not printable escaped as in JSON."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def instant(at: datetime | None) -> str:
    """Returns a time in the local time zone, to the second; empty for None."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else ""


def written(at: str | None) -> str:
    """Returns a time that JSON has in ISO 8601 as `instant` does."""
    return instant(None if at is None else datetime.fromisoformat(at))


def counted(number: int, word: str) -> str:
    """Returns a number with a word in English that only takes an s: 1 task, 2,000 tasks."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def age(at: datetime) -> str:
    """Returns the age of a time."""
    return compact_duration(seconds_since(at))


def seconds_since(at: datetime) -> float:
    """Returns the seconds since a time, at least 0 (clocks of two hosts may differ)."""
    return max(0.0, (datetime.now(UTC) - at).total_seconds())


def task_id(value: str) -> str:
    """Returns `value` as a task id; raises SubmissionError."""
    known = parsed_id(value)
    if known is None:
        raise SubmissionError("task", value, "a task id (a UUID)")
    return known
