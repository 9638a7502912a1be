"""Reads the data of the Queues page: the backlog, its age, and its reasons."""

from __future__ import annotations

from taskyard.core.postgres.store.rollups import HOUR
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views.queues import (
    NO_LEADER,
    NOBODY_TAKES,
    Charts,
    LaneNow,
    Queue,
    QueuesNow,
    queue_charts,
    queues_now,
)
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading, live, shared

__all__ = ["NOBODY_TAKES", "NO_LEADER", "Charts", "LaneNow", "Queue", "QueuesNow", "charts", "now"]


@shared()
def now(servers: Servers) -> QueuesNow:
    """Returns the queues as of now: by the leader's counts, or counted here without a leader."""
    snapshot = live(servers)
    with servers.database.transaction() as tx:
        return queues_now(tx, snapshot, servers.settings, servers.registry.types)


def charts(name: str, range_seconds: int) -> Reading[Charts]:
    """Returns a queue's charts over a range until now. Longer ranges are shared for longer."""
    return _charts_fast(name, range_seconds) if range_seconds <= HOUR else _charts_slow(name, range_seconds)


def _read_charts(servers: Servers, name: str, range_seconds: int) -> Charts:
    with servers.database.transaction() as tx:
        return queue_charts(tx, name, base.now().timestamp(), range_seconds)


_charts_fast = shared(ttl_seconds=5.0)(_read_charts)
_charts_slow = shared(ttl_seconds=30.0)(_read_charts)
