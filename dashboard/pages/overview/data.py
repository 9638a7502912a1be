"""Reads the Overview's live snapshot and charts."""

from __future__ import annotations

from taskyard.core.postgres.store.rollups import HOUR
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views.overview import SPARK_MINUTES, Charts, OverviewNow, overview_charts, overview_now
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading, live, shared

__all__ = ["SPARK_MINUTES", "Charts", "OverviewNow", "charts", "now"]


@shared()
def now(servers: Servers) -> OverviewNow:
    """Returns the live snapshot and the last minutes."""
    snapshot = live(servers)
    with servers.database.transaction() as tx:
        return overview_now(tx, snapshot, base.now().timestamp())


def charts(range_seconds: int) -> Reading[Charts]:
    """Returns the charts of a range; longer ranges are shared for longer."""
    return _charts_fast(range_seconds) if range_seconds <= HOUR else _charts_slow(range_seconds)


def _read_charts(servers: Servers, range_seconds: int) -> Charts:
    with servers.database.transaction() as tx:
        return overview_charts(tx, base.now().timestamp(), range_seconds)


_charts_fast = shared(ttl_seconds=5.0)(_read_charts)
_charts_slow = shared(ttl_seconds=30.0)(_read_charts)
