"""Reads the audit log, newest events first, however many there are.

Without a fitting index, one span of time after another is searched, each as long as the cost of the earlier ones
allows. Pages continue behind the place of the last event; the log is append-only, so a place never moves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

import orjson

from taskyard.core.chunks import PORTION_BYTES
from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.filters.fields import check_bound, like_pattern
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import tasks
from taskyard.core.postgres.store.retention import day_of
from taskyard.core.postgres.store.search_query import Pace, limited_time

MAX_PAGE_SIZE = 1000
BUDGET_SECONDS = 0.15
FIRST_SPAN_SECONDS = 4.0
FIRST_OPERATORS_SPAN_SECONDS = 86_400.0  # these have an index, and are few
EXPORT_EVENTS = 2_000  # that a statement of an export reads at most
MIN_EXPORT_EVENTS = 100
MIN_SPAN_SECONDS = 0.001
MARGIN_SECONDS = 1.0  # an event of a transaction that began before this one may be later than its now()
TICK = timedelta(microseconds=1)
_PLACE = re.compile(r"\((\d{1,10}),(\d{1,5})\)")


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An event of the audit log; without a task it concerns something else."""

    task_id: str | None
    at: datetime
    event: str
    from_state: str | None
    to_state: str | None
    attempt: int | None
    actor: str
    agent_id: str | None
    detail: dict[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}


@dataclass(frozen=True, slots=True)
class EventCursor:
    """The position before a time; with a `place`, events of that time stored before the place also follow."""

    at: datetime
    place: str | None = None

    def __str__(self) -> str:
        return self.at.isoformat() + ("" if self.place is None else "~" + self.place.strip("()").replace(",", "."))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses the text form of a cursor; raises SubmissionError."""
        at, _, place = text.partition("~")
        stored = f"({place.replace('.', ',')})" if place else None
        checked = check_bound("before", at)
        if not isinstance(checked, datetime) or (stored is not None and not _PLACE.fullmatch(stored)):
            raise refused("before", text, msg("a cursor from an earlier page"))
        return cls(checked, stored)


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of events, newest first.

    `next` is None at the end of the log; `searched_to` is set if the time budget ran out before the page was full,
    and `next` continues the search.
    """

    events: tuple[AuditEntry, ...]
    next: EventCursor | None
    searched_to: datetime | None


class _Span(NamedTuple):
    low: datetime
    high: datetime


def find_events(
    tx: Transaction,
    only: EventFilter,
    *,
    before: EventCursor | None = None,
    limit: int = 100,
    budget_seconds: float = BUDGET_SECONDS,
) -> EventPage:
    """Returns the newest events that match, of all or before a cursor; raises SubmissionError, Busy or Unavailable."""
    if not 1 <= limit <= MAX_PAGE_SIZE:
        raise refused("limit", limit, msg("a number from 1 to {limit}", limit=MAX_PAGE_SIZE))
    with limited_time(tx):
        asked, low, high = asked_of(tx, only, before)
        pace = Pace(budget_seconds, _first_span_seconds(only))
        rows: list[Sequence[Any]] = []
        edge = high
        while edge > low and len(rows) <= limit and (size_seconds := pace.next_size()) > 0:
            span = _span_below(edge, low, size_seconds)
            rows += _entries(tx, asked, span, limit + 1 - len(rows))
            edge = span.low
    found = tuple(_entry(row) for row in rows[:limit])
    if len(rows) > limit:
        return EventPage(found, EventCursor(found[-1].at, rows[limit - 1][-1]), None)
    return EventPage(found, EventCursor(edge), edge) if edge > low else EventPage(found, None, None)


def deployed_types(
    tx: Transaction, since: float, until: float, step_seconds: int
) -> list[tuple[float, tuple[str, ...]]]:
    """Returns the types of which other versions were deployed in a range: (start of a step in epoch seconds, names)."""
    asked = {"since": since, "until": until, "step": step_seconds}
    return [(at, tuple(names)) for at, names in tx.rows(queries("audit")["deployed_types"], asked)]


def export_events(tx: Transaction, only: EventFilter) -> Iterator[AuditEntry]:
    """Yields every event that matches, newest first; raises Busy or Unavailable.

    A statement reads at most EXPORT_EVENTS, fewer after large ones, even if one moment holds more.
    """
    asked, low, edge = asked_of(tx, only, None)
    size_seconds, limit = _first_span_seconds(only), EXPORT_EVENTS
    while edge > low:
        span = _span_below(edge, low, size_seconds)
        rows = _entries(tx, asked, span, limit)
        yield from map(_entry, rows)
        if len(rows) == limit:  # the span goes on behind the last of them
            last = _entry(rows[-1])
            asked |= {"place_at": last.at, "place": rows[-1][-1]}
            edge, size_seconds = min(edge, last.at + TICK), max(size_seconds / 2, MIN_SPAN_SECONDS)
        else:
            edge, size_seconds = span.low, size_seconds * 2
        limit = _next_limit(rows, limit)


def _next_limit(rows: Sequence[Sequence[Any]], limit: int) -> int:
    """Returns how many events to read next, so that they take about PORTION_BYTES at the size of these."""
    if not rows:
        return limit
    mean_bytes = sum(len(orjson.dumps(row[8])) for row in rows) / len(rows)
    return max(MIN_EXPORT_EVENTS, min(EXPORT_EVENTS, int(PORTION_BYTES / max(mean_bytes, 1.0))))


def asked_of(
    tx: Transaction, only: EventFilter, before: EventCursor | None
) -> tuple[dict[str, Any], datetime, datetime]:
    """Returns a filter's parameters, the time of its earliest possible event, and the time after its latest."""
    now = tasks.now(tx)
    since, until = only.span(now)
    first = _first_time(tx)
    low = first if since is None else max(since, first)
    high = now + timedelta(seconds=MARGIN_SECONDS) if until is None else until
    if before is not None:
        high = min(high, before.at if before.place is None else before.at + TICK)
    asked = {
        "place_at": before.at if before else None,
        "place": before.place if before else None,
        "task_id": only.task_id,
        "only_operators": only.only_operators,
        "events": list(only.events) or None,
        "actor": only.actor,
        "agent": only.agent,
        "pattern": like_pattern(only.text) if only.text else None,
    }
    return asked, low, high


def _first_time(tx: Transaction) -> datetime:
    """Returns a time before that of every event."""
    in_default = tx.rows(queries("audit")["first_in_default"], {})[0][0]
    days = [day for (name,) in tx.rows(queries("recovery")["partitions"], {}) if (day := day_of(name)) is not None]
    midnights = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days]
    return min([*midnights, *([in_default] if in_default else [])], default=datetime.now(UTC))


def _first_span_seconds(only: EventFilter) -> float:
    return FIRST_OPERATORS_SPAN_SECONDS if only.only_operators or only.task_id else FIRST_SPAN_SECONDS


def _span_below(edge: datetime, low: datetime, seconds: float) -> _Span:
    reachable_seconds = (edge - low).total_seconds()
    return _Span(low if seconds >= reachable_seconds else edge - timedelta(seconds=seconds), edge)


def _entries(tx: Transaction, asked: dict[str, Any], span: _Span, limit: int | None) -> Sequence[Sequence[Any]]:
    parameters = {**asked, "low": span.low, "high": span.high, "limit": limit}
    return tx.rows(queries("audit")["entries"], parameters)


def _entry(row: Sequence[Any]) -> AuditEntry:
    return AuditEntry(*row[:-1])
