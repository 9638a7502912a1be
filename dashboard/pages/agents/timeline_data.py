"""Shares readings of agents' attempts among viewers."""

from __future__ import annotations

from taskyard.core.access.identity import Actor
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views.timeline import MAX_SINGLE_SECONDS, Timeline, timeline_of
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading, live
from taskyard.dashboard.data.readings import seen

SINGLE_SECONDS = MAX_SINGLE_SECONDS
FAST_SECONDS, SLOW_SECONDS = 2.0, 10.0


def timeline(seconds: int, name: str | None = None) -> Reading[Timeline]:
    """Returns the attempts of the last seconds, and running ones if there is a leader; of one agent, or of all.

    Longer ranges are shared for longer.
    """
    return _fast(seconds, name) if seconds <= SINGLE_SECONDS else _slow(seconds, name)


def _read(servers: Servers, sight: Actor, seconds: int, name: str | None) -> Timeline:
    snapshot = live(servers)
    with servers.database.transaction() as tx:
        return timeline_of(tx, sight, snapshot, base.now().timestamp(), seconds, name)


_fast = seen(ttl_seconds=FAST_SECONDS)(_read)
_slow = seen(ttl_seconds=SLOW_SECONDS)(_read)
