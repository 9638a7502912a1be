"""Reads for which queues head starts are given, why, and when that changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskyard.core.access.identity import Actor
from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import audit
from taskyard.core.postgres.store.audit import AuditEntry
from taskyard.core.scheduling.placement import LEARNED
from taskyard.core.telemetry.learning_live import LearningLive
from taskyard.core.views.seeing import sees_all_types, sees_queue

ON, OFF = "head_starts_on", "head_starts_off"  # events of the audit log
READ_EVENTS = 100  # at most, of all queues


@dataclass(frozen=True, slots=True)
class QueueOrder:
    """Whether a queue's head starts are given (`is_on`) and used (`is_learned`), and why.

    `policy` is the one that the queue has, empty if this process and the leader have different settings. `reason` is
    one of core.learning.queue_learning.Reason, or of a newer leader. `short_seconds` and `ratio` as in
    QueueLearningLive; both are None for those who do not see all types, since they count all.
    """

    queue: str
    policy: str
    is_learned: bool
    is_on: bool
    reason: str
    short_seconds: float | None
    ratio: float | None


@dataclass(frozen=True, slots=True)
class OrderChange:
    """Head starts of a queue were given from then on (`is_on`), or no more. `reason` is empty if it is not known."""

    at: datetime
    queue: str
    is_on: bool
    reason: str


def orders_of(actor: Actor, learning: LearningLive, policy_of: Callable[[str], str]) -> Sequence[QueueOrder]:
    """Returns the actor's queues of which something is learned: those with the policy learned first, then by name."""
    has_figures = sees_all_types(actor)
    found = []
    for one in learning.queues:
        if not sees_queue(actor, one.queue):
            continue
        policy = LEARNED if one.is_learned else policy_of(one.queue)
        found.append(
            QueueOrder(
                one.queue,
                policy if one.is_learned is (policy == LEARNED) else "",
                one.is_learned,
                one.is_on,
                one.reason,
                one.short_seconds if has_figures else None,
                one.ratio if has_figures else None,
            )
        )
    return sorted(found, key=lambda one: (not one.is_learned, one.queue))


def changes_of(tx: Transaction, actor: Actor, most: int) -> Sequence[OrderChange]:
    """Returns the last changes of the actor's queues, newest first: at most `most` of the last READ_EVENTS of all."""
    page = audit.find_events(tx, EventFilter(events=(ON, OFF), only_operators=True), limit=READ_EVENTS)
    changes = (_change(entry) for entry in page.events)
    return [change for change in changes if sees_queue(actor, change.queue)][:most]


def _change(entry: AuditEntry) -> OrderChange:
    detail: dict[str, Any] = entry.detail or {}
    return OrderChange(entry.at, str(detail.get("queue", "")), entry.event == ON, str(detail.get("reason") or ""))
