"""Measures how fast tasks are accepted; no worker runs."""

from __future__ import annotations

import threading
import time

from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.results import Result

BULK = 100_000
SINGLE = 3_000
THREADS = 16


def measure_bulk(environment: Environment) -> list[Result]:
    """Measures `submit_many`, everything committed and queued."""
    began = time.perf_counter()
    environment.submitter.submit_many({"type": "diagnostic.noop"} for _ in range(BULK))
    return [Result("bulk_submit", BULK / (time.perf_counter() - began), "tasks/s", f"submit_many of {BULK:,}")]


def measure_single(environment: Environment) -> list[Result]:
    """Measures `submit`, one commit a call from one thread, and from sixteen."""
    return [
        Result("submit_1", _rate(environment, 1), "tasks/s", "submit, one thread"),
        Result("submit_16", _rate(environment, THREADS), "tasks/s", "submit, 16 threads"),
    ]


def _rate(environment: Environment, threads: int) -> float:
    each = SINGLE * (1 if threads == 1 else 3) // threads
    start = threading.Barrier(threads + 1)

    def submit() -> None:
        environment.submitter.submit("diagnostic.noop")
        start.wait()
        for _ in range(each):
            environment.submitter.submit("diagnostic.noop")

    running = [threading.Thread(target=submit) for _ in range(threads)]
    for thread in running:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in running:
        thread.join()
    return each * threads / (time.perf_counter() - began)
