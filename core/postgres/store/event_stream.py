"""Reads the audit log as a stream that can be resumed anywhere: nothing is missed, nothing comes twice.

Transactions do not commit in the order of their times, so a reader that remembers a time misses what commits late.
This one remembers a transaction id instead: all transactions below the oldest one that is still open have ended, so
what they wrote is complete. It is read in portions from one such id to the next; a portion always has the same events
in the same order, so an event's place in it names the event. A transaction that stays open delays what follows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.audit import AuditEntry

PAGE_EVENTS = 2_000
# An event has the time of its transaction's beginning; one that runs longer than this would be missed.
MAX_OPEN = timedelta(hours=1)
MARGIN = timedelta(seconds=1)
_POSITION = re.compile(r"([0-9]{1,19})-([0-9]{1,19})-([0-9]{1,9})-([0-9]{1,16})")


class Horizon(NamedTuple):
    """All transactions below `transaction` have ended; those at or above it write no event before `since`."""

    transaction: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """The place behind an event: the `count`-th of those from the horizon `low` up to the transaction `high`."""

    low: Horizon
    high: int
    count: int

    def __str__(self) -> str:
        since = int(self.low.since.timestamp() * 1_000_000)
        return f"{self.low.transaction}-{self.high}-{self.count}-{since}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses the text form of a position; raises SubmissionError."""
        found = _POSITION.fullmatch(text)
        if found is None:
            raise refused("Last-Event-ID", text, msg("the id of an earlier event of this stream"))
        low, high, count, since = map(int, found.groups())
        try:
            return cls(Horizon(low, datetime.fromtimestamp(since / 1_000_000, UTC)), high, count)
        except (OverflowError, ValueError):
            raise refused("Last-Event-ID", text, msg("the id of an earlier event of this stream")) from None


@dataclass(frozen=True, slots=True)
class StreamedEvent(AuditEntry):
    """An event of the audit log, with the queue and the type of its task if it has one."""

    queue: str | None
    type: str | None


def horizon(tx: Transaction) -> Horizon:
    """Returns the place up to which the log is complete now."""
    [(transaction, now, oldest)] = tx.rows(queries("event_stream")["horizon"], {})
    return Horizon(transaction, max(min(now, oldest) - MARGIN, now - MAX_OPEN))


def between(
    tx: Transaction,
    low: Horizon,
    high: int,
    *,
    skip: int = 0,
    limit: int = PAGE_EVENTS,
    task_id: str | None = None,
) -> list[StreamedEvent]:
    """Returns the events from a horizon up to a transaction in their order, of all tasks or one, without logs."""
    asked = {"low": low.transaction, "high": high, "since": low.since}
    rows = tx.rows(queries("event_stream")["between"], {**asked, "skip": skip, "limit": limit, "task_id": task_id})
    return [StreamedEvent(*row) for row in rows]
