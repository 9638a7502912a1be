"""Task ids as times: UUIDv7 begin with 48 bits of milliseconds since 1970 (RFC 9562), so ids sort by submission (pure).

Submitters make the ids by their own clocks.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

_MOST_MILLISECONDS = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp() * 1000)


def first_id_at(at: datetime) -> str:
    """What no id made at `at` (aware) or later is below."""
    milliseconds = min(max(0, int(at.timestamp() * 1000)), (1 << 48) - 1)
    return str(uuid.UUID(int=milliseconds << 80))


def time_of(task_id: str) -> datetime:
    """When an id was made (UTC, to the millisecond); the end of the calendar for what is beyond it."""
    milliseconds = min(uuid.UUID(task_id).int >> 80, _MOST_MILLISECONDS)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
