"""Ids: how they are written, and task ids as times (pure).

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
    """Returns whether a text is written as ids are stored: a UUID in small letters, with hyphens."""
    return _ID.fullmatch(text) is not None


def parsed_id(value: object) -> str | None:
    """Returns an id as it is stored, from whatever form of a UUID somebody typed; None for what is none."""
    try:
        return str(uuid.UUID(value))  # type: ignore[arg-type]
    except (ValueError, AttributeError, TypeError):
        return None


def first_id_at(at: datetime) -> str:
    """What no id made at `at` (aware) or later is below."""
    milliseconds = max(0, (at - _EPOCH) // _MILLISECOND)
    return str(uuid.UUID(int=milliseconds << 80))


def time_of(task_id: str) -> datetime:
    """When an id was made (UTC, to the millisecond); the end of the calendar for what is beyond it."""
    milliseconds = min(uuid.UUID(task_id).int >> 80, _MAX_MILLISECONDS)
    return _EPOCH + milliseconds * _MILLISECOND
