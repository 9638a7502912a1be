"""Measures what PostgreSQL reaches with bare statements on the same machine in the same minute, to compare with."""

from __future__ import annotations

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import uuid_utils

from taskyard.core.postgres.database import queries
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.results import Result, percentile

COMMITS = 500
# The limit of each main figure, by their names.
LIMITS = {
    "bulk_submit": "limit_copy",
    "submit_1": "limit_insert",
    "submit_16": "limit_insert_16",
    "drain": "limit_drain",
    "latency_p50_100": "limit_latency_p50",
    "latency_p99_100": "limit_latency_p99",
    "latency_p50_500": "limit_latency_p50",
    "latency_p99_500": "limit_latency_p99",
    "latency_p50_1000": "limit_latency_p50",
    "latency_p99_1000": "limit_latency_p99",
    "roundtrip_p50": "limit_roundtrip_p50",
    "roundtrip_p99": "limit_roundtrip_p99",
}


def copy_seconds(environment: Environment) -> float:
    """Returns how long PostgreSQL takes for the rows of all tasks and events, by COPY in one commit; they stay."""
    tasks, events = io.BytesIO(), io.BytesIO()
    with environment.database.transaction() as tx:
        tx.cursor.copy_expert(queries("bench")["tasks_out"], tasks)
        tx.cursor.copy_expert(queries("bench")["events_out"], events)
    environment.empty()
    tasks.seek(0)
    events.seek(0)
    began = time.perf_counter()
    with environment.database.transaction() as tx:
        tx.cursor.copy_expert(queries("bench")["tasks_in"], tasks)
        tx.cursor.copy_expert(queries("bench")["events_in"], events)
    return time.perf_counter() - began


def inserts_per_second(environment: Environment, count: int, threads: int) -> float:
    """Returns how many rows of tasks are inserted, with a commit each, on as many connections as there are threads."""
    start = threading.Barrier(threads + 1)

    def insert() -> None:
        with environment.database.statements() as tx:
            tx.rows(queries("bench")["insert_task"], {"id": str(uuid_utils.uuid7())})
            start.wait()
            for _ in range(count // threads):
                tx.rows(queries("bench")["insert_task"], {"id": str(uuid_utils.uuid7())})

    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(insert) for _ in range(threads)]
        start.wait()
        began = time.perf_counter()
        for one in running:
            one.result()
        return count / (time.perf_counter() - began)


def limit_commit(environment: Environment, of: str) -> list[Result]:
    """Measures how long one insert with its commit takes, once nothing else runs, as the limit of some latencies."""
    times = []
    with environment.database.statements() as tx:
        for _ in range(COMMITS):
            began = time.perf_counter()
            tx.rows(queries("bench")["insert_task"], {"id": str(uuid_utils.uuid7())})
            times.append(time.perf_counter() - began)
    what = "INSERT of one task with its commit, without an engine"
    return [
        Result(f"limit_{of}_p50", 1000 * percentile(times, 0.50), "ms", what),
        Result(f"limit_{of}_p99", 1000 * percentile(times, 0.99), "ms", what),
    ]
