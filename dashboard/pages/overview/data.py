"""Reads the Overview's live snapshot and charts."""

from __future__ import annotations

from taskyard.core.access.identity import Actor
from taskyard.core.postgres.store.rollups import HOUR
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views import alerts as view
from taskyard.core.views.narrowing import parts, seen_snapshot
from taskyard.core.views.overview import SPARK_MINUTES, Charts, OverviewNow, overview_charts, overview_now
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading, live
from taskyard.dashboard.data.readings import seen

__all__ = ["SPARK_MINUTES", "Charts", "OverviewNow", "charts", "now"]


@seen()
def now(servers: Servers, sight: Actor) -> OverviewNow:
    """Returns the live snapshot and the last minutes, as far as the viewer sees them."""
    snapshot = live(servers)
    if snapshot is not None:
        snapshot = seen_snapshot(sight, snapshot, view.kinds_of(servers.settings))
    with servers.database.transaction() as tx:
        return overview_now(tx, snapshot, base.now().timestamp(), parts(tx, sight), sight.sees)


def charts(range_seconds: int) -> Reading[Charts]:
    """Returns the charts of a range; longer ranges are shared for longer."""
    return _charts_fast(range_seconds) if range_seconds <= HOUR else _charts_slow(range_seconds)


def _read_charts(servers: Servers, sight: Actor, range_seconds: int) -> Charts:
    with servers.database.transaction() as tx:
        return overview_charts(tx, base.now().timestamp(), range_seconds, parts(tx, sight))


_charts_fast = seen(ttl_seconds=5.0)(_read_charts)
_charts_slow = seen(ttl_seconds=30.0)(_read_charts)
