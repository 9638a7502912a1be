"""Reads the data of the Queues page: the backlog, its age, and its reasons."""

from __future__ import annotations

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.postgres.store.rollups import HOUR
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views.narrowing import seen_queues
from taskyard.core.views.queues import (
    NO_LEADER,
    NOBODY_TAKES,
    NOT_SHOWN,
    Charts,
    LaneNow,
    Queue,
    QueuesNow,
    queue_charts,
    queues_now,
)
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading, live
from taskyard.dashboard.data.readings import seen

__all__ = [
    "NOBODY_TAKES",
    "NOT_SHOWN",
    "NO_LEADER",
    "Charts",
    "LaneNow",
    "Queue",
    "QueuesNow",
    "charts",
    "now",
]


@seen()
def now(servers: Servers, sight: Actor) -> QueuesNow:
    """Returns the queues as of now: by the leader's counts, or counted here without a leader."""
    snapshot = live(servers)
    with servers.database.transaction() as tx:
        found = queues_now(tx, snapshot, servers.settings, servers.registry.types, sight.sees)
    return seen_queues(sight, found)


def charts(name: str, range_seconds: int) -> Reading[Charts | None]:
    """Returns a queue's charts over a range until now. Longer ranges are shared for longer."""
    return _charts_fast(name, range_seconds) if range_seconds <= HOUR else _charts_slow(name, range_seconds)


def _read_charts(servers: Servers, sight: Actor, name: str, range_seconds: int) -> Charts | None:
    """Returns the charts; they are not known by type, so those who do not see all types of the queue get none."""
    if not sight.sees(name, EVERY):
        return None
    with servers.database.transaction() as tx:
        return queue_charts(tx, name, base.now().timestamp(), range_seconds)


_charts_fast = seen(ttl_seconds=5.0)(_read_charts)
_charts_slow = seen(ttl_seconds=30.0)(_read_charts)
