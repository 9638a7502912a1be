"""Reads a task's append-only log in pages bounded in lines and in bytes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from taskyard.core.filters.fields import like_pattern
from taskyard.core.models import LogEntry
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.audit import EventCursor

PAGE_LINES = 500
LINES_AROUND = 40  # before an entry, and behind it
PAGE_BYTES = 128 << 10
SLICE_LINES, SLICE_BYTES = 5_000, 4 << 20  # of what is read to its end
LOOK_AT_LINES = 2_000  # at once, by a search
SEARCH_SECONDS = 0.25
KINDS = ("log", "stdout", "stderr")


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of entries, newest last, and the place of each; `older` is the end of the page before, None at the log's
    beginning.

    `searched_to` is set if the time for a search was over before the page was full; `older` continues it.
    """

    entries: tuple[LogEntry, ...]
    older: EventCursor | None
    searched_to: datetime | None = None
    places: tuple[EventCursor, ...] = ()

    def end(self) -> EventCursor | None:
        """Returns the position behind its last entry, from which the same page is read; None without entries."""
        if not self.entries:
            return None
        return EventCursor(self.entries[-1].at + timedelta(microseconds=1), "(0,0)")


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What entries must have: `text` anywhere in the message, whatever its case; an attempt; one of KINDS."""

    text: str = ""
    attempt: int | None = None
    kinds: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Returns True if every entry matches."""
        return not self.text and self.attempt is None and set(self.kinds) in (set(), set(KINDS))


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
    return _with_places(rows, older)


def around(tx: Transaction, task_id: str, at: EventCursor) -> LogPage:
    """Returns the entry at a place and those around it, as far as they fit into a page."""
    half = PAGE_BYTES // 2
    before = newest(tx, task_id, before=at, limit=LINES_AROUND, limit_bytes=half)
    last = before.places[-1] if before.places else None
    rows = tx.rows(queries("task_logs")["log_after"], _asked(task_id, last, 1 + LINES_AROUND, half))
    behind = _with_places(rows, None)
    return LogPage(before.entries + behind.entries, before.older, None, before.places + behind.places)


def end_of_next(tx: Transaction, task_id: str, place: EventCursor) -> EventCursor | None:
    """Returns the end of the page behind a place, from which `newest` reads it; None if that is the newest page."""
    last = place
    for limit in (PAGE_LINES, 1):
        rows = tx.rows(queries("task_logs")["log_after"], _asked(task_id, last, limit, PAGE_BYTES))
        if not rows:
            return None
        last = _place(rows[-1])
    return last


def matching(
    tx: Transaction,
    task_id: str,
    only: LogFilter,
    *,
    before: EventCursor | None = None,
    limit: int = PAGE_LINES,
    limit_bytes: int = PAGE_BYTES,
    budget_seconds: float = SEARCH_SECONDS,
) -> LogPage:
    """Returns the newest entries that match, of all or before a position, as far as the search gets in its time."""
    until = time.monotonic() + budget_seconds
    found: list[Any] = []
    used_bytes = 0
    while True:
        asked = _asked(task_id, before, limit - len(found), limit_bytes - used_bytes) | _asked_for(only, not found)
        rows = tx.rows(queries("task_logs")["log_matching"], asked)
        taken = [row for row in rows if row[6]]
        found += taken
        used_bytes += sum(len(row[3].encode()) for row in taken)
        if rows and len(taken) < rows[-1][8]:  # the page is full
            return _page(found, _place(taken[-1]) if taken else before)
        if not rows or rows[-1][7] < LOOK_AT_LINES:
            return _page(found, None)
        before = _place(rows[-1])
        if len(found) >= limit:
            return _page(found, before)
        if time.monotonic() > until:
            return _page(found, before, before.at)


def whole(tx: Transaction, task_id: str) -> Iterator[LogEntry]:
    """Yields every entry in order, with few in memory at a time."""
    after: EventCursor | None = None
    while rows := tx.rows(queries("task_logs")["log_after"], _asked(task_id, after, SLICE_LINES, SLICE_BYTES)):
        yield from (LogEntry(*row[:5]) for row in rows)
        after = EventCursor(rows[-1][0], rows[-1][5])


def _page(backwards: Sequence[Any], older: EventCursor | None, searched_to: datetime | None = None) -> LogPage:
    return _with_places(backwards[::-1], older, searched_to)


def _with_places(rows: Sequence[Any], older: EventCursor | None, searched_to: datetime | None = None) -> LogPage:
    return LogPage(tuple(LogEntry(*row[:5]) for row in rows), older, searched_to, tuple(map(_place, rows)))


def _place(row: Any) -> EventCursor:
    return EventCursor(row[0], row[5])


def _asked_for(only: LogFilter, is_first: bool) -> dict[str, Any]:
    return {
        "look_at": LOOK_AT_LINES,
        "is_first": is_first,
        "attempt": only.attempt,
        "kinds": list(only.kinds) or None,
        "pattern": like_pattern(only.text) if only.text else None,
    }


def _asked(task_id: str, place: EventCursor | None, limit: int, limit_bytes: int) -> dict[str, Any]:
    return {
        "id": task_id,
        "at": place.at if place else None,
        "place": place.place if place else None,
        "limit": limit,
        "limit_bytes": limit_bytes,
    }
