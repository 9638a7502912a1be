"""Parses ids of tasks and agents, and converts between task ids and times (pure).

Task ids are UUIDv7, which begin with 48 bits of milliseconds since 1970 (RFC 9562), so they sort by submission.
Submitters make them by their own clocks.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta

ID_PATTERN = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ID = re.compile(ID_PATTERN)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MAX_MILLISECONDS = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MILLISECOND


def is_id(text: str) -> bool:
    """Returns True if a text is written as ids are stored: a UUID in lower case, with hyphens."""
    return _ID.fullmatch(text) is not None


def agent_name_of(agent_id: str) -> str:
    """Returns the agent's name in the id of one of its boots."""
    return agent_id.rpartition(":")[0]


def parsed_id(value: object) -> str | None:
    """Returns an id in its stored form from any way to write a UUID; None if it is none."""
    try:
        return str(uuid.UUID(value))  # type: ignore[arg-type]
    except (ValueError, AttributeError, TypeError):
        return None


def first_id_at(at: datetime) -> str:
    """Returns the smallest id of tasks created at or after `at` (timezone-aware)."""
    milliseconds = max(0, (at - _EPOCH) // _MILLISECOND)
    return str(uuid.UUID(int=milliseconds << 80))


def time_of(task_id: str) -> datetime:
    """Returns when an id was made (UTC, to the millisecond); the latest possible time for ids beyond it."""
    milliseconds = min(uuid.UUID(task_id).int >> 80, _MAX_MILLISECONDS)
    return _EPOCH + milliseconds * _MILLISECOND
