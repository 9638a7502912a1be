"""Measures the cost of a million tasks of history: the live snapshot, charts, and a drain."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from taskyard.core.clock import Clock
from taskyard.core.postgres.store import history, live_counts
from taskyard.core.postgres.store.rollups import DAY
from taskyard.core.redis.cache import RedisCache
from taskyard.core.telemetry.live_snapshot import SNAPSHOT
from taskyard.worker.devtools.bench.drains import TASKS, CpuUsage, drain
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.results import Result
from taskyard.worker.devtools.seed import seed
from taskyard.worker.monitor.rollup import RollUp

HISTORY = 1_000_000
HISTORY_DAYS = 30
PAIRS = 5
REPEATS = 9


def measure_history(environment: Environment) -> list[Result]:
    """Measures drains on two sets of servers in turn, so that both meet the same noise."""
    began = time.perf_counter()
    seed(environment.database, HISTORY, HISTORY_DAYS, lambda what, count: None)
    seeding_seconds = time.perf_counter() - began
    charts = _charts(environment)
    shares, rolls = [], []
    with Environment(environment.settings) as empty:
        for _ in range(PAIRS):
            rate, _ = drain(empty, "diagnostic.noop", TASKS, CpuUsage())
            environment.settle()
            with_history, _ = drain(environment, "diagnostic.noop", TASKS, CpuUsage(), keep=True)
            shares.append(with_history / rate)
            rolls.append(_roll_up_seconds(empty))
    return [
        Result("history_seed", seeding_seconds, "s", f"{HISTORY:,} tasks over {HISTORY_DAYS} days, rolled up"),
        *charts,
        Result("history_drain", 100 * statistics.median(shares), "%", f"of an empty database's drain, {PAIRS} pairs"),
        Result("roll_up", 1000 * statistics.median(rolls), "ms", f"of the {TASKS:,} tasks of one drain"),
    ]


def _charts(environment: Environment) -> list[Result]:
    database = environment.database
    cache = RedisCache(environment.broker.redis, environment.broker.keys)

    def snapshot() -> None:
        now = Clock().now().timestamp()
        with database.transaction() as tx:
            live_counts.open_groups(tx)
            live_counts.finished_counts(tx, now - DAY, now)

    def chart(days: int, step_seconds: int) -> Callable[[], object]:
        def read() -> None:
            now = Clock().now().timestamp()
            with database.transaction() as tx:
                history.series(tx, now - days * DAY, now, step_seconds)

        return read

    with environment.agents(), environment.worker():
        environment.wait(lambda: cache.get(SNAPSHOT) is not None, "the live state")
        return [
            Result("live_count", _milliseconds(snapshot), "ms", "what PostgreSQL counts for the live state"),
            Result("live_read", _milliseconds(lambda: cache.get(SNAPSHOT)), "ms", "reading the live state"),
            Result("chart_24h", _milliseconds(chart(1, history.step_for(DAY))), "ms", "24 hours with percentiles"),
            Result("chart_30d", _milliseconds(chart(30, DAY)), "ms", "30 days with percentiles"),
        ]


def _milliseconds(run: Callable[[], object]) -> float:
    """Returns the median milliseconds of some runs."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return 1000 * statistics.median(taken)


def _roll_up_seconds(environment: Environment) -> float:
    """Returns the seconds it takes to roll up a drain."""
    began = time.perf_counter()
    RollUp(environment.database, catch_up_share=1.0).run(lambda: True)
    return time.perf_counter() - began
