"""Seeds a history: many ended tasks over the last days, more by day than by night."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from taskyard.core.clock import Clock
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import recovery
from taskyard.core.postgres.store import seed as seed_store
from taskyard.core.postgres.store.rollups import DAY, HOUR
from taskyard.worker.monitor.rollup import RollUp

NIGHT_SHARE = 0.3  # of the traffic at noon
MIN_AGE_SECONDS = 3600.0  # the longest task has ended by then
MAX_IN_TRANSACTION = 20_000


def seed(database: Database, tasks: int, days: int, progress: Callable[[str, int], object]) -> None:
    """Adds `tasks` tasks over the last `days` days and rolls them up; raises Unavailable.

    `progress(what, count)` is called after each transaction.
    """
    end = Clock().now().timestamp() - MIN_AGE_SECONDS
    since = math.floor((end - days * DAY) / HOUR) * HOUR
    with database.transaction() as tx:
        first = datetime.fromtimestamp(since, UTC).date()
        recovery.ensure_partitions(tx, first, days_ahead=(datetime.now(UTC).date() - first + timedelta(7)).days)
    hours = [(float(start), min(float(HOUR), end - start)) for start in range(int(since), int(end), HOUR)]
    weights = [_traffic(start) * seconds for start, seconds in hours]
    done = 0
    for position, (start, seconds) in enumerate(hours):
        goal = round(tasks * sum(weights[: position + 1]) / sum(weights))
        while done < goal:
            count = min(goal - done, MAX_IN_TRANSACTION)
            with database.transaction() as tx:
                seed_store.seed(tx, count, start, seconds, math.sin(done + 1))
            done += count
            progress("tasks", done)
    with database.transaction() as tx:
        seed_store.step_back(tx, since)
    progress("roll-up", 0)
    RollUp(database, catch_up_share=1.0).run(lambda: True)


def _traffic(at: float) -> float:
    """Returns the traffic at this time of day (UTC), from NIGHT_SHARE to 1."""
    return NIGHT_SHARE + (1 - NIGHT_SHARE) * (1 - math.cos(2 * math.pi * at / DAY)) / 2
