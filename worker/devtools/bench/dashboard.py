"""Measures the dashboard's pages with a million tasks of history and ten viewers."""

from __future__ import annotations

import asyncio
import statistics
import time
import urllib.request
from collections.abc import Sequence

import psutil
from prometheus_client.parser import text_string_to_metric_families

from taskyard.worker.devtools.bench.browser import open_cold
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.history import HISTORY, HISTORY_DAYS
from taskyard.worker.devtools.bench.results import Result, percentile
from taskyard.worker.devtools.bench.viewers import Seen, view
from taskyard.worker.devtools.seed import seed
from taskyard.worker.web_servers.dashboard import DashboardProcess

VIEWERS = 10
WATCH_SECONDS = 30.0
PAGES = ("", "tasks", "queues", "agents", "failures", "alerts", "audit", "system")
REFRESHES = 1_000
WARM_REFRESHES = 200  # until every cache holds as much as it will
METRIC = "taskyard_dashboard_refresh_seconds"
GOAL_SECONDS = 0.25
MIB = 1 << 20


def measure_dashboard(environment: Environment) -> list[Result]:
    """Measures pages one by one, then ten viewers at once, then a thousand refreshes of one page."""
    seed(environment.database, HISTORY, HISTORY_DAYS, lambda what, count: None)
    with environment.agents(), environment.worker():
        environment.wait(lambda: environment.broker.redis.exists(environment.broker.keys.cache("live")) > 0, "a leader")
        process = DashboardProcess(environment.settings, environment.variables())
        process.start()
        try:
            environment.wait(process.wait_until_ready, "the dashboard")
            return [
                *_each_page(process.url),
                *_in_a_browser(process.url),
                *_many_viewers(process.url),
                *_memory(process),
            ]
        finally:
            process.stop()


def _each_page(url: str) -> list[Result]:
    """Measures pages without other viewers, from the request to the last element, without the browser."""
    firsts = {page or "overview": asyncio.run(view(url, page, 0.0, 0)).first_seconds for page in PAGES}
    slowest = max(firsts, key=firsts.__getitem__)
    listed = ", ".join(f"{name} {1000 * seconds:.0f}" for name, seconds in firsts.items())
    what = f"the slowest page, drawn first ({listed}); charts are held back on purpose"
    return [Result("dashboard_page", 1000 * firsts[slowest], "ms", what)]


def _in_a_browser(url: str) -> list[Result]:
    """Measures the Overview in a real browser, if there is one: the median of some tries."""
    shown = open_cold(url)
    if not shown:
        return []
    loaded = statistics.median(one.loaded_ms for one in shown)
    figures = statistics.median(one.figures_ms for one in shown)
    charts = statistics.median(one.charts_ms for one in shown)
    what = f"until a cold browser shows them, whose load event comes at {loaded:.0f}"
    return [
        Result("dashboard_figures", figures, "ms", what),
        Result("dashboard_charts", charts, "ms", "until it shows the first chart"),
    ]


def _many_viewers(url: str) -> list[Result]:
    async def watch() -> list[Seen]:
        until = time.monotonic() + WATCH_SECONDS
        pages = [PAGES[n % len(PAGES)] for n in range(VIEWERS)]
        return await asyncio.gather(*(view(url, page, until, REFRESHES) for page in pages))

    before = _within(url)
    seen = asyncio.run(watch())
    after = _within(url)
    refreshes = [seconds for one in seen for seconds in one.refresh_seconds]
    within, count = after[0] - before[0], after[1] - before[1]
    what = f"{VIEWERS} viewers on {len(PAGES)} pages, {HISTORY:,} tasks"
    return [
        Result(
            "dashboard_refresh_p50", 1000 * percentile(refreshes, 0.5), "ms", f"{what}, from asking to the last element"
        ),
        Result("dashboard_refresh_p95", 1000 * percentile(refreshes, 0.95), "ms", f"of {len(refreshes)} refreshes"),
        Result(
            "dashboard_in_time",
            100 * within / count,
            "%",
            f"of {count:.0f} sections took the server ≤ 250 ms",
        ),
    ]


def _memory(process: DashboardProcess) -> list[Result]:
    """Measures memory before and after many refreshes of the Overview."""
    asyncio.run(view(process.url, "", time.monotonic() + 600, WARM_REFRESHES, is_patient=False))
    before = _resident_bytes(process)
    asyncio.run(view(process.url, "", time.monotonic() + 600, REFRESHES, is_patient=False))
    grown = _resident_bytes(process) - before
    return [
        Result("dashboard_memory", before / MIB, "MiB", f"of its process, after {WARM_REFRESHES} refreshes"),
        Result("dashboard_growth", grown / MIB, "MiB", f"by {REFRESHES:,} more refreshes"),
    ]


def _resident_bytes(process: DashboardProcess) -> int:
    tree = psutil.Process(process.pid)
    return max(int(one.memory_info().rss) for one in (tree, *tree.children(recursive=True)))


def _within(url: str) -> tuple[float, float]:
    """Returns how many refreshes of sections took the server at most GOAL_SECONDS, and how many there were."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    samples: Sequence[object] = [sample for family in families if family.name == METRIC for sample in family.samples]
    within = sum(s.value for s in samples if s.name.endswith("_bucket") and float(s.labels["le"]) == GOAL_SECONDS)  # type: ignore[attr-defined]
    return within, sum(s.value for s in samples if s.name.endswith("_count"))  # type: ignore[attr-defined]
