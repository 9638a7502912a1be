"""Task ids as times: UUIDv7 begin with 48 bits of milliseconds since 1970 (RFC 9562), so ids sort by submission (pure).

Submitters make the ids by their own clocks.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MAX_MILLISECONDS = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MILLISECOND


def first_id_at(at: datetime) -> str:
    """What no id made at `at` (aware) or later is below."""
    milliseconds = max(0, (at - _EPOCH) // _MILLISECOND)
    return str(uuid.UUID(int=milliseconds << 80))


def time_of(task_id: str) -> datetime:
    """When an id was made (UTC, to the millisecond); the end of the calendar for what is beyond it."""
    milliseconds = min(uuid.UUID(task_id).int >> 80, _MAX_MILLISECONDS)
    return _EPOCH + milliseconds * _MILLISECOND
