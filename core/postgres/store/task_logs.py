"""Reads a task's append-only log in pages bounded in lines and in bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from taskyard.core.models import LogEntry
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.audit import EventCursor

PAGE_LINES = 500
PAGE_BYTES = 128 << 10
SLICE_LINES, SLICE_BYTES = 5_000, 4 << 20  # of what is read to its end


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of entries, newest last; `older` is the end of the page before, None at the log's beginning."""

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
    """Returns the newest entries, of all or before a position; at least one if there is one, whatever its size."""
    asked = _asked(task_id, before, limit + 1, limit_bytes)
    rows = tx.rows(queries("task_logs")["log_before"], asked)
    has_more = bool(rows) and (len(rows) > limit or rows[0][-1])
    rows = rows[-limit:]
    older = EventCursor(rows[0][0], rows[0][5]) if has_more else None
    return LogPage(tuple(LogEntry(*row[:5]) for row in rows), older)


def whole(tx: Transaction, task_id: str) -> Iterator[LogEntry]:
    """Yields every entry in order, with few in memory at a time."""
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
