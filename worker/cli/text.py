"""Formats values as text for users. Text from tasks can't reach the terminal's controls or rich's markup."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from taskyard.core.errors import SubmissionError
from taskyard.core.ids import parsed_id


def pretty_json(value: object) -> str:
    """Returns `value` as indented JSON for users, with everything not printable escaped as in JSON."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def instant(at: datetime | None) -> str:
    """Returns a time in the local time zone, to the second; empty for None."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else ""


def duration(seconds: float) -> str:
    """Returns a duration in at most two units: 0.012s, 4.2s, 3m, 3m 20s, 5h 10m, 2d 4h."""
    if seconds < 1:
        return f"{max(seconds, 0.0):.3f}s"
    if seconds < 60:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    for name, size, lesser, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size}{name}" + (f" {rest}{lesser}" if rest else "")
    raise AssertionError(f"{seconds} is a minute or more")


def age(at: datetime) -> str:
    """Returns the age of a time."""
    return duration(seconds_since(at))


def seconds_since(at: datetime) -> float:
    """Returns the seconds since a time, at least 0 (clocks of two hosts may differ)."""
    return max(0.0, (datetime.now(UTC) - at).total_seconds())


def task_id(value: str) -> str:
    """Returns `value` as a task id; raises SubmissionError."""
    known = parsed_id(value)
    if known is None:
        raise SubmissionError("task", value, "a task id (a UUID)")
    return known
