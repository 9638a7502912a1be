"""Reads hourly comparisons of placement policies: what the acting policy and another one make of the same work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from taskyard.core.access.identity import Actor
from taskyard.core.learning.comparison import Waits
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import comparisons as store
from taskyard.core.postgres.store.comparisons import Comparison
from taskyard.core.simulation.replay import RECORDED, REPLAYED
from taskyard.core.views.seeing import sees_all_types, sees_queue


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison: waits on record, with the policy `acting` replayed, and with `policy`; None if no task ended.

    Without trust the replay is not like the record. If nothing waited for a second, no policy can gain anything.
    """

    at: datetime
    queue: str
    tasks: int
    acting: str
    policy: str
    is_trusted: bool
    has_waited: bool
    recorded: Waits | None
    replayed: Waits | None
    other: Waits | None


def latest_of(tx: Transaction, actor: Actor, until: float, range_seconds: float) -> Sequence[Compared] | None:
    """Returns the last comparison in a range of each of the actor's queues, those with most tasks first.

    None for those who do not see all types: comparisons count all.
    """
    if not sees_all_types(actor):
        return None
    found = [compared(one) for one in store.latest(tx, *_span(until, range_seconds)) if sees_queue(actor, one.queue)]
    return sorted(found, key=lambda one: (-one.tasks, one.queue))


def of_queue(tx: Transaction, actor: Actor, until: float, range_seconds: float, queue: str) -> Sequence[Compared]:
    """Returns a queue's comparisons in a range, oldest first; none if the actor may not see them."""
    if not (sees_all_types(actor) and sees_queue(actor, queue)):
        return ()
    return [compared(one) for one in store.between(tx, *_span(until, range_seconds), queue)]


def compared(one: Comparison) -> Compared:
    """Returns a stored comparison with what its figures say."""
    return Compared(
        one.at,
        one.queue,
        one.tasks,
        one.acting,
        one.policy,
        one.is_trusted,
        one.has_waited,
        _waits(one, RECORDED),
        _waits(one, REPLAYED),
        _waits(one, one.policy),
    )


def change(base: float, other: float) -> float | None:
    """Returns by which share of `base` another figure is above it; None if there is nothing to compare with."""
    return other / base - 1 if base > 0 else None


def _waits(one: Comparison, name: str) -> Waits | None:
    figures = one.figures.get(name)
    if not one.tasks or not isinstance(figures, dict):
        return None
    return Waits(float(figures["mean"]), float(figures["p99"]))


def _span(until: float, range_seconds: float) -> tuple[datetime, datetime]:
    return datetime.fromtimestamp(until - range_seconds, UTC), datetime.fromtimestamp(until, UTC)
