"""Measures the dashboard with a million tasks: pages in a browser, ten viewers, memory while viewers change."""

from __future__ import annotations

import asyncio
import itertools
import time
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

import psutil
from prometheus_client.parser import text_string_to_metric_families

from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.store import search, sign_ins
from taskyard.core.states import TaskState
from taskyard.core.workflows.making import task
from taskyard.worker.devtools.bench.browser import TRIES, open_pages
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.history import HISTORY, HISTORY_DAYS
from taskyard.worker.devtools.bench.results import Result, percentile
from taskyard.worker.devtools.bench.viewers import Seen, view
from taskyard.worker.devtools.seed import seed
from taskyard.worker.devtools.slopes import slope
from taskyard.worker.web_servers.dashboard import DashboardProcess

VIEWERS = 10
WORKFLOW_TASKS = 5_000
WATCH_SECONDS = 30.0
# Paths, and the section whose reading is a page's first data; the page to submit has none, and shows the types.
SECTIONS = {
    "": "overview_now",
    "tasks": "tasks",
    "workflows": "workflows",
    "queues": "queues_now",
    "agents": "agents_now",
    "failures?range=24h": "failures",
    "alerts": "alerts",
    "webhooks": "webhooks",
    "audit": "audit",
    "reports": "report",
    "system": "system_servers",
    "access": "access_people",
}
IN_SECTION = ".st-key-section_of_{name} > :has(.taskyard-age) ~ *"  # what follows the time of the reading
TYPES = ".st-key-submit_type_table canvas"
NEEDS_SIGN_IN = ("access",)
# Streamlit keeps the session of a viewer who left for two minutes: memory is as much as it will be after some more.
WARM_SECONDS, CHANGING_SECONDS, STAY_SECONDS = 180.0, 300.0, 10.0
SAMPLE_SECONDS = 2.0
EDGE_SECONDS = 60.0
METRIC = "taskyard_dashboard_refresh_seconds"
GOAL_SECONDS = 0.25
MIB = 1 << 20


def measure_dashboard(environment: Environment) -> list[Result]:
    """Measures pages one by one in a browser, then ten viewers at once, then viewers who come and go."""
    seed(environment.database, HISTORY, HISTORY_DAYS, lambda what, count: None)
    with environment.agents(), environment.worker():
        environment.wait(lambda: environment.broker.redis.exists(environment.broker.keys.cache("live")) > 0, "a leader")
        process = DashboardProcess(environment.settings, environment.variables())
        process.start()
        try:
            environment.wait(process.wait_until_ready, "the dashboard")
            return measure_pages(environment, process.url, process.pid)
        finally:
            process.stop()


def measure_pages(environment: Environment, url: str, pid: int) -> list[Result]:
    """Measures a dashboard that runs: its pages in a browser, its refreshes, its memory."""
    workflow = f"workflows?workflow={_submit_workflow(environment)}"
    pages = {**SECTIONS, f"task?id={_failed_task(environment)}": "task", workflow: "workflow"}
    viewed = [path for path in (*pages, "submit") if path not in NEEDS_SIGN_IN]
    return [
        *_one_workflow(url, workflow),
        *_in_a_browser(environment, url, pages),
        *_many_viewers(url, viewed),
        *_memory(url, viewed, psutil.Process(pid)),
    ]


def _failed_task(environment: Environment) -> str:
    with environment.database.transaction() as tx:
        return search.find(tx, TaskFilter(states=(TaskState.FAILED,)), limit=1).tasks[0].id


def _submit_workflow(environment: Environment) -> str:
    """Submits a workflow with a wide fan-out; returns its id."""
    tasks: dict[str, Any] = {
        "first": task("diagnostic.noop"),
        "middle": [task("diagnostic.noop", after=["first"]) for _ in range(WORKFLOW_TASKS - 2)],
        "last": task("diagnostic.noop", after=["middle"]),
    }
    return environment.submitter.workflows.submit("fan-out", tasks).id


def _one_workflow(url: str, page: str) -> list[Result]:
    """Measures the refreshes of a large workflow's page, for one viewer."""
    seen = asyncio.run(view(url, page, time.monotonic() + WATCH_SECONDS))
    what = f"one viewer on the page of a workflow of {WORKFLOW_TASKS:,} tasks; budget 250"
    return [Result("dashboard_workflow_refresh_p95", 1000 * percentile(seen.refresh_seconds, 0.95), "ms", what)]


def _in_a_browser(environment: Environment, url: str, sections: dict[str, str]) -> list[Result]:
    """Measures how long pages take to show their first data in a browser, if there is one."""
    with environment.database.transaction() as tx:
        key, _until = sign_ins.make_link(tx, "bench")
    selectors = {path: IN_SECTION.format(name=name) for path, name in sections.items()} | {"submit": TYPES}
    results = []
    for path, opened in open_pages(url, f"/enter?key={key}", selectors).items():
        cold, warm = opened.cold, opened.warm
        what = (
            f"s until a cold browser shows its first data, all of it after {cold.whole_ms / 1000:.1f}; a warm one "
            f"{warm.data_ms / 1000:.1f} and {warm.whole_ms / 1000:.1f}; medians of {TRIES}"
        )
        results.append(Result(f"dashboard_{_name(path)}", cold.data_ms / 1000, "s", what))
    return results


def _name(path: str) -> str:
    name = path.partition("?")[0] or "overview"
    return "workflow" if path.startswith("workflows?") else name


def _many_viewers(url: str, pages: Sequence[str]) -> list[Result]:
    before = _within(url)
    seen = asyncio.run(_watch(url, pages, WATCH_SECONDS, WATCH_SECONDS))
    after = _within(url)
    refreshes = [seconds for one in seen for seconds in one.refresh_seconds]
    within, count = after[0] - before[0], after[1] - before[1]
    what = f"{VIEWERS} viewers on as many pages, {HISTORY:,} tasks, from asking to the last element"
    return [
        Result("dashboard_refresh_p50", 1000 * percentile(refreshes, 0.5), "ms", what),
        Result("dashboard_refresh_p95", 1000 * percentile(refreshes, 0.95), "ms", f"of {len(refreshes)}; budget 150"),
        Result(
            "dashboard_in_time",
            100 * within / count,
            "%",
            f"of {count:.0f} sections took the server ≤ 250 ms",
        ),
    ]


async def _watch(url: str, pages: Sequence[str], seconds: float, stay_seconds: float) -> list[Seen]:
    """Lets ten viewers look for some time, each at one page after the other."""
    until = time.monotonic() + seconds
    following = itertools.cycle(pages)

    async def look() -> list[Seen]:
        seen = []
        while (now := time.monotonic()) < until:
            seen.append(await view(url, next(following), min(until, now + stay_seconds)))
        return seen

    return [one for seen in await asyncio.gather(*(look() for _viewer in range(VIEWERS))) for one in seen]


def _memory(url: str, pages: Sequence[str], process: psutil.Process) -> list[Result]:
    """Measures memory while viewers come and go."""
    asyncio.run(_watch(url, pages, WARM_SECONDS, STAY_SECONDS))
    samples, seen = asyncio.run(_sampled(url, pages, process))
    first = [size for at, size in samples if at < samples[0][0] + EDGE_SECONDS]
    last = [size for at, size in samples if at > samples[-1][0] - EDGE_SECONDS]
    before, after = sum(first) / len(first), sum(last) / len(last)
    found = slope([at for at, _ in samples], [size for _, size in samples])
    what = f"in {CHANGING_SECONDS / 60:g} minutes; {found.per_hour:+.0f} ± {found.margin:.0f} MiB/h"
    return [
        Result("dashboard_memory", before, "MiB", f"of its process, with {VIEWERS} viewers who come and go"),
        Result("dashboard_growth", after - before, "MiB", f"{what}, {len(seen)} visits"),
    ]


async def _sampled(
    url: str, pages: Sequence[str], process: psutil.Process
) -> tuple[list[tuple[float, float]], list[Seen]]:
    """Returns the memory in MiB at each time, and what the viewers saw meanwhile."""
    viewers = asyncio.ensure_future(_watch(url, pages, CHANGING_SECONDS, STAY_SECONDS))
    samples = []
    while not viewers.done():
        samples.append((time.monotonic(), max(_resident_mib(process))))
        await asyncio.wait([viewers], timeout=SAMPLE_SECONDS)
    return samples, viewers.result()


def _resident_mib(process: psutil.Process) -> Iterator[float]:
    for one in (process, *process.children(recursive=True)):
        yield one.memory_info().rss / MIB


def _within(url: str) -> tuple[float, float]:
    """Returns how many refreshes of sections took the server at most GOAL_SECONDS, and how many there were."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    samples: Sequence[object] = [sample for family in families if family.name == METRIC for sample in family.samples]
    within = sum(s.value for s in samples if s.name.endswith("_bucket") and float(s.labels["le"]) == GOAL_SECONDS)  # type: ignore[attr-defined]
    return within, sum(s.value for s in samples if s.name.endswith("_count"))  # type: ignore[attr-defined]
