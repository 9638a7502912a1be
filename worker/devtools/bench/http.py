"""Measures the HTTP API: single submissions, lines, and what followers of events cost a tick."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.followers import following
from taskyard.worker.devtools.bench.http_load import submit_lines, submit_single
from taskyard.worker.devtools.bench.results import Result, percentile
from taskyard.worker.web_servers.api import ApiProcess

CONNECTIONS = 32
SINGLE, WARM = 10_000, 1_000
RATE_PER_SECOND, RATE_SECONDS = 500.0, 10.0
LINES = 50_000
READERS = 200
DRAINED = 20_000


def measure_http(environment: Environment) -> list[Result]:
    """Measures submissions without a worker, then a drain without and with followers of all events."""
    with running_api(environment) as url:
        asyncio.run(submit_single(url, CONNECTIONS, WARM))
        fast = asyncio.run(submit_single(url, CONNECTIONS, SINGLE))
        steady = asyncio.run(submit_single(url, CONNECTIONS, int(RATE_PER_SECOND * RATE_SECONDS), RATE_PER_SECOND))
        environment.empty()
        lines_seconds = asyncio.run(submit_lines(url, LINES))
        alone, _none = _drain_seconds(environment, url, 0)
        followed, lost = _drain_seconds(environment, url, READERS)
    return [
        Result("http_submit", fast.per_second, "tasks/s", f"one a request, {CONNECTIONS} connections"),
        Result("http_submit_p99", 1000 * percentile(steady.seconds, 0.99), "ms", f"at {RATE_PER_SECOND:.0f} a second"),
        Result("http_lines", LINES / lines_seconds, "tasks/s", f"{LINES:,} lines in one request"),
        Result("http_drain", DRAINED / alone, "tasks/s", f"{DRAINED:,} tasks, nobody follows events"),
        Result("http_drain_followed", DRAINED / followed, "tasks/s", f"the same, {READERS} readers follow all events"),
        Result("http_followers_lost", lost, "", f"of the {READERS} readers, before the drain was over"),
    ]


@contextmanager
def running_api(environment: Environment) -> Iterator[str]:
    """Runs the API until the block ends; yields its address."""
    process = ApiProcess(environment.settings, environment.variables())
    process.start()
    try:
        environment.wait(lambda: process.answers(1.0), "the API")
        yield process.url.replace("localhost", "127.0.0.1")
    finally:
        process.stop()


def _drain_seconds(environment: Environment, url: str, readers: int) -> tuple[float, int]:
    """Returns how long agents need for tasks that were submitted before, and how many readers lost their streams."""
    environment.empty()
    environment.submitter.submit_many({"type": "diagnostic.noop"} for _ in range(DRAINED))
    environment.settle()
    with following(url, readers) as followers, environment.agents():
        began = time.monotonic()
        with environment.worker():
            environment.wait(environment.is_drained, "the drain", 300)
            seconds = time.monotonic() - began
    return seconds, followers.lost
