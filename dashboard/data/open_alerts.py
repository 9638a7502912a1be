"""Reads the unresolved alerts, which the sidebar of every page counts."""

from __future__ import annotations

from taskyard.core.access.identity import Actor
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views import alerts as view
from taskyard.core.views.alerts import Alerts
from taskyard.dashboard.data.readings import seen

__all__ = ["Alerts", "open_alerts"]


@seen()
def open_alerts(servers: Servers, sight: Actor) -> Alerts:
    """Returns firing and acknowledged alerts, and the silences.

    They come from PostgreSQL and not from the leader's snapshot: that nobody leads is an alert, too.
    """
    with servers.database.transaction() as tx:
        return view.seen_alerts(servers.settings, sight, view.alerts_now(tx, servers.settings))
