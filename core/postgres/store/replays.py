"""Reads the record of a span of time that a replay simulates, in pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import holds
from taskyard.core.simulation.record import Attempt, Boot, Change, EarlierRun, Record

MAX_ATTEMPTS = 500_000
PAGE = 20_000  # attempts
FIRST_WINDOW_SECONDS = 600.0
MAX_EARLIER = 5_000  # runs, to predict from when the span begins
EARLIER_SECONDS = 86_400.0


def read_record(
    tx: Transaction,
    since: float,
    until: float,
    progress: Callable[[float], None],
    *,
    max_attempts: int = MAX_ATTEMPTS,
) -> tuple[Record, bool]:
    """Returns what was recorded of a span (epoch seconds), and whether it was cut to its last `max_attempts` attempts.

    A record that was cut begins where the first attempt ended that was read.
    """
    attempts = _attempts(tx, since, until, progress, max_attempts + 1)
    is_cut = len(attempts) > max_attempts
    if is_cut:
        del attempts[max_attempts:]
        since = attempts[-1].ended
    span = {"since": since, "until": until}
    record = Record(since, until, attempts)
    record.attempts += [Attempt(*row) for row in tx.rows(queries("replays")["running"], {"until": until})]
    record.boots = [Boot(*row) for row in tx.rows(queries("replays")["boots"], span)]
    record.changes = [Change(*row) for row in tx.rows(queries("replays")["changes"], span)]
    record.held = [
        (one.kind.value, one.name, one.mode.value)
        for one in holds.holds(tx).by_name.values()
        if one.since.timestamp() < until
    ]
    before = {"since": since - EARLIER_SECONDS, "until": since, "limit": MAX_EARLIER}
    record.earlier = [EarlierRun(*row) for row in tx.rows(queries("replays")["learned_before"], before)]
    progress(1.0)
    return record, is_cut


def _attempts(
    tx: Transaction, since: float, until: float, progress: Callable[[float], None], limit: int
) -> list[Attempt]:
    """Returns the last attempts that ended in a span, newest first.

    It is read backwards in windows, each of which is long enough for about a page, so that no statement sorts it all.
    """
    found: list[Attempt] = []
    end, seconds = until, FIRST_WINDOW_SECONDS
    while end > since and len(found) < limit:
        start = max(since, end - seconds)
        count = _window(tx, start, end, limit, found)
        if count < PAGE / 2:
            seconds *= 2
        elif count > 2 * PAGE:
            seconds /= 2
        end = start
        progress((until - end) / (until - since))
    return found


def _window(tx: Transaction, since: float, until: float, limit: int, found: list[Attempt]) -> int:
    """Appends the attempts that ended in a window, newest first, until there are `limit`; returns how many."""
    place: dict[str, Any] = {"place_at": None, "place_id": None, "place_attempt": None}
    before = len(found)
    while len(found) < limit:
        size = min(PAGE, limit - len(found))
        rows = tx.rows(queries("replays")["attempts"], {"since": since, "until": until, "limit": size, **place})
        found += [Attempt(*row) for row in rows]
        if len(rows) < size:
            break
        last = found[-1]
        place = {"place_at": last.ended, "place_id": last.task_id, "place_attempt": last.attempt}
    return len(found) - before
