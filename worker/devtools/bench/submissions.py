"""Measures how fast tasks are accepted; no worker runs."""

from __future__ import annotations

import statistics
import threading
import time

from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.limits import copy_seconds, inserts_per_second
from taskyard.worker.devtools.bench.results import Result

BULK = 100_000
SINGLE = 3_000
THREADS = 16
REPEATS = 3


def measure_bulk(environment: Environment) -> list[Result]:
    """Measures `submit_many`, everything committed and queued, and its limit: the same rows by COPY; in turns."""
    seconds, limits = [], []
    for _ in range(REPEATS):
        environment.empty()
        began = time.perf_counter()
        environment.submitter.submit_many({"type": "diagnostic.noop"} for _ in range(BULK))
        seconds.append(time.perf_counter() - began)
        limits.append(copy_seconds(environment))
    what = f"submit_many of {BULK:,}, median of {REPEATS}"
    return [
        Result("bulk_submit", BULK / statistics.median(seconds), "tasks/s", what),
        Result("limit_copy", BULK / statistics.median(limits), "tasks/s", "the same rows by COPY in one commit"),
    ]


def measure_single(environment: Environment) -> list[Result]:
    """Measures `submit`, one commit a call from one thread, and from sixteen; and limits of both."""
    results = []
    for threads, words in ((1, "one thread"), (THREADS, f"{THREADS} threads")):
        limit = "limit_insert" if threads == 1 else f"limit_insert_{threads}"
        what = f"bare INSERT of a task with its commit, {words}"
        results += [
            Result(f"submit_{threads}", _rate(environment, threads), "tasks/s", f"submit, {words}"),
            Result(limit, inserts_per_second(environment, _count(threads), threads), "tasks/s", what),
        ]
    return results


def _count(threads: int) -> int:
    """Returns how many tasks are submitted: the same for each thread."""
    return SINGLE * (1 if threads == 1 else 3) // threads * threads


def _rate(environment: Environment, threads: int) -> float:
    each = _count(threads) // threads
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
