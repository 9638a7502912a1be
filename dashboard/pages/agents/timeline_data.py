"""Shares readings of agents' attempts among viewers."""

from __future__ import annotations

from taskyard.core.access.identity import Actor
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views.timeline import Timeline, timeline_of
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import live
from taskyard.dashboard.data.readings import seen

SHARED_SECONDS = 2.0


@seen(ttl_seconds=SHARED_SECONDS)
def timeline(servers: Servers, sight: Actor, seconds: int) -> Timeline:
    """Returns the attempts of the last seconds, and running ones if there is a leader."""
    snapshot = live(servers)
    with servers.database.transaction() as tx:
        return timeline_of(tx, sight, snapshot, base.now().timestamp(), seconds)
