"""Reads the unresolved alerts, which the sidebar of every page counts."""

from __future__ import annotations

from taskyard.core.access.identity import Actor
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views import alerts as view
from taskyard.core.views.alert_groups import AlertSummary, summary_of
from taskyard.core.views.alerts import Alerts
from taskyard.dashboard.data.readings import seen

__all__ = ["MAX_LINES", "AlertSummary", "Alerts", "alert_summary", "open_alerts"]

MAX_LINES = 5  # of a summary


@seen()
def open_alerts(servers: Servers, sight: Actor) -> Alerts:
    """Returns firing and acknowledged alerts, and the silences.

    They come from PostgreSQL and not from the leader's snapshot: that nobody leads is an alert, too.
    """
    return _read(servers, sight)


@seen(ttl_seconds=2.0)
def alert_summary(servers: Servers, sight: Actor) -> AlertSummary:
    """Returns what fires, in short: every viewer reads that every few seconds, also while thousands fire."""
    return summary_of(_read(servers, sight).open, MAX_LINES)


def _read(servers: Servers, sight: Actor) -> Alerts:
    with servers.database.transaction() as tx:
        return view.seen_alerts(servers.settings, sight, view.alerts_now(tx, servers.settings))
