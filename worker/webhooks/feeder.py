"""Reads the audit log for webhooks: each end of a task becomes one message for each webhook that wants it.

The audit log is written with the transition itself, so no end is missed and none is made up; the place up to which it
was read moves in the transaction that adds the messages. Nothing is read while there are no webhooks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from taskyard.core.access.identity import EVERY
from taskyard.core.postgres.database import Database, Transaction
from taskyard.core.postgres.store import event_stream, webhook_deliveries, webhooks
from taskyard.core.postgres.store.event_stream import Horizon
from taskyard.core.postgres.store.webhook_deliveries import NewDelivery
from taskyard.core.postgres.store.webhooks import Ended, Listener
from taskyard.core.webhooks.body import event_name, task_body

PORTION_EVENTS = 5_000  # that are read in one transaction


class Feeder:
    """The duty: `feed` may run at any time and anywhere; two that run at the same moment wait for each other."""

    def __init__(self, database: Database, portion_events: int = PORTION_EVENTS) -> None:
        self._database = database
        self._portion_events = portion_events

    def feed(self, may_go_on: Callable[[], bool]) -> int:
        """Reads what has come since the last time; returns how many messages were added. Raises Unavailable."""
        added = 0
        with self._database.transaction() as tx:
            if not webhooks.is_any_enabled(tx):
                return 0
        while may_go_on():
            # The bound comes from an earlier transaction: what is below it has ended before the log is read.
            with self._database.transaction() as tx:
                high = event_stream.horizon(tx)
            with self._database.transaction() as tx:
                count, is_more = self._feed_portion(tx, high)
            added += count
            if not is_more:
                break
        return added

    def _feed_portion(self, tx: Transaction, high: Horizon) -> tuple[int, bool]:
        """Reads one portion; returns how many messages it made and whether there is more."""
        low = webhooks.lock_feed(tx)
        if low is None or low.transaction >= high.transaction:
            return 0, False
        ended, reached = self._portion(tx, low, high)
        told = webhooks.listeners(tx)
        new = [_message(listener, end) for end in ended for listener in told if is_wanted(listener, end)]
        if new:
            webhook_deliveries.add(tx, new)
        webhooks.move_feed(tx, reached)
        return len(new), reached is not high

    def _portion(self, tx: Transaction, low: Horizon, high: Horizon) -> tuple[Sequence[Ended], Horizon]:
        """Returns the first ends behind a place, of whole transactions only, and the place behind them."""
        found = webhooks.ended(tx, low, high.transaction, self._portion_events + 1)
        if len(found) <= self._portion_events:
            return found, high
        last = found[-1].transaction
        whole = [one for one in found if one.transaction < last]
        if not whole:  # a transaction larger than a portion
            whole = webhooks.ended(tx, low, last + 1, None)
            last += 1
        return whole, Horizon(last, low.since)


def is_wanted(listener: Listener, end: Ended) -> bool:
    """Returns True if a webhook is to be told of an end (pure)."""
    return (
        end.transaction >= listener.from_transaction
        and end.outcome in listener.outcomes
        and _fits(end.queue, listener.queues)
        and _fits(end.type, listener.types)
    )


def _fits(name: str | None, patterns: Sequence[str]) -> bool:
    return EVERY in patterns or (name is not None and any(fnmatchcase(name, pattern) for pattern in patterns))


def _message(listener: Listener, end: Ended) -> NewDelivery:
    return NewDelivery(listener.id, event_name(end.outcome), end.task_id, task_body(end.at, end.outcome, _task(end)))


def _task(end: Ended) -> dict[str, Any]:
    """Returns what is said of a task: nothing that needs the permission payload.read."""
    return {
        "id": end.task_id,
        "type": end.type,
        "queue": end.queue,
        "title": end.title,
        "workflow_id": end.workflow_id,
        "created_by": end.created_by,
        "state": end.outcome,
        "attempt": end.attempt,
        "created_at": end.created_at and end.created_at.isoformat(),
        "finished_at": end.at.isoformat(),
        "wait_seconds": end.wait_seconds,
        "run_seconds": end.run_seconds,
        "total_seconds": end.total_seconds,
        "error_class": end.error_class,
        "error_fingerprint": end.error_fingerprint,
    }
