"""Converts between task ids and times.

UUIDv7 begin with 48 bits of milliseconds since 1970 (RFC 9562), so ids sort by submission (pure). Submitters make
the ids by their own clocks.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MAX_MILLISECONDS = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MILLISECOND


def first_id_at(at: datetime) -> str:
    """Returns the smallest id of tasks created at or after `at` (timezone-aware)."""
    milliseconds = max(0, (at - _EPOCH) // _MILLISECOND)
    return str(uuid.UUID(int=milliseconds << 80))


def time_of(task_id: str) -> datetime:
    """Returns when an id was made (UTC, to the millisecond); the latest possible time for ids beyond it."""
    milliseconds = min(uuid.UUID(task_id).int >> 80, _MAX_MILLISECONDS)
    return _EPOCH + milliseconds * _MILLISECOND
