"""Reads how queues are ordered by what is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taskyard.core.access.identity import Actor
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views import head_starts as view
from taskyard.core.views.head_starts import OrderChange, QueueOrder
from taskyard.dashboard.data import base
from taskyard.dashboard.data.readings import seen

__all__ = ["OrderChange", "Orders", "QueueOrder", "orders"]

CHANGES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Orders:
    """The queues of which something is learned, and their last changes.

    `queues` is None if nobody leads, or a leader of an older release.
    """

    queues: Sequence[QueueOrder] | None
    changes: Sequence[OrderChange]


@seen(ttl_seconds=5.0)
def orders(servers: Servers, sight: Actor) -> Orders:
    """Returns how the viewer's queues are ordered, and what changed last."""
    live = base.live(servers)
    learning = None if live is None else live.learning
    queues = None if learning is None else view.orders_of(sight, learning, servers.settings.placement_of)
    with servers.database.transaction() as tx:
        return Orders(queues, view.changes_of(tx, sight, CHANGES_SHOWN))
