"""A task's log in pages that are bounded in lines and in bytes, however long it is; the log is append-only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.audit import EventCursor

PAGE_LINES = 500
PAGE_BYTES = 128 << 10
SLICE_LINES, SLICE_BYTES = 5_000, 4 << 20  # of what is read to its end


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What an attempt logged or printed: `level` is a level of its log, or the stream; several lines if printed."""

    at: datetime
    attempt: int | None
    level: str
    message: str
    agent_id: str | None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some entries, the newest last; `older` is where the page before them ends, None at the log's beginning."""

    entries: tuple[LogEntry, ...]
    older: EventCursor | None


def newest(
    tx: Transaction,
    task_id: str,
    *,
    before: EventCursor | None = None,
    limit: int = PAGE_LINES,
    limit_bytes: int = PAGE_BYTES,
) -> LogPage:
    """The newest entries, of all or before a place; one at least if there is one, whatever its size."""
    asked = _asked(task_id, before, limit + 1, limit_bytes)
    rows = tx.rows(queries("task_logs")["log_before"], asked)
    has_more = bool(rows) and (len(rows) > limit or rows[0][-1])
    rows = rows[-limit:]
    older = EventCursor(rows[0][0], rows[0][5]) if has_more else None
    return LogPage(tuple(LogEntry(*row[:5]) for row in rows), older)


def whole(tx: Transaction, task_id: str) -> Iterator[LogEntry]:
    """Every entry in order, some in memory at a time."""
    after: EventCursor | None = None
    while rows := tx.rows(queries("task_logs")["log_after"], _asked(task_id, after, SLICE_LINES, SLICE_BYTES)):
        yield from (LogEntry(*row[:5]) for row in rows)
        after = EventCursor(rows[-1][0], rows[-1][5])


def _asked(task_id: str, place: EventCursor | None, limit: int, limit_bytes: int) -> dict[str, Any]:
    return {
        "id": task_id,
        "at": place.at if place else None,
        "place": place.place if place else None,
        "limit": limit,
        "limit_bytes": limit_bytes,
    }
