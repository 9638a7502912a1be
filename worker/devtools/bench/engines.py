"""Measures attempts in seats of Ray, Dask and Celery beside those of an agent without an engine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from rich.console import Console
from rich.table import Table

from taskyard.core.postgres.database import queries
from taskyard.core.postgres.store import holds, recovery
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.task_types.registry import registry
from taskyard.worker.devtools.bench.engine_deaths import HANDLER, NODE, PROCESS, SEAT, run_again_seconds
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.latencies import open_loop, warm_up
from taskyard.worker.devtools.bench.results import Result, percentile
from taskyard.worker.devtools.clusters.cluster import CLUSTERS, Cluster, open_cluster
from taskyard.worker.engines.known import lacking_extra
from taskyard.worker.engines.settings import EngineSettings

MODULE = "taskyard.worker.devtools.clusters.tasks"
NO_ENGINE = "none"
SLOTS = 2  # and nodes, of one seat each
RATE = 100
REPEATS = 3
DRAINS = {"threads": ("diagnostic.noop", 5_000), "processes": ("diagnostic.noop_process", 2_000)}
QUEUE = "bench-{isolation}-{number}"
DEATHS = (HANDLER, SEAT, PROCESS, NODE)


def measure_engines(environment: Environment) -> list[Result]:
    """Measures each engine whose package is installed, and says in a line which ones are not."""
    registry.load([MODULE])
    figures: dict[str, dict[str, float]] = {}
    for name in (NO_ENGINE, *CLUSTERS):
        if name != NO_ENGINE and (lacking := lacking_extra(name)):
            Console(stderr=True).print(f"engine {name} is not measured: {lacking}", highlight=False, markup=False)
            continue
        with ExitStack() as opened:
            cluster = None
            if name != NO_ENGINE:
                folder = environment.folder / name
                cluster = opened.enter_context(open_cluster(name, folder, environment.servers.redis_url))
            figures[name] = dict(_figures(environment, cluster))
    Console().print(_table(figures))
    return [
        Result(f"engine_{name}_{figure}", value, _unit(figure), _WORDS[figure])
        for name, found in figures.items()
        for figure, value in found.items()
    ]


def _figures(environment: Environment, cluster: Cluster | None) -> Iterator[tuple[str, float]]:
    engine = cluster.settings if cluster is not None else None
    environment.empty()
    _hold_queues(environment)
    with environment.worker(MODULE):
        yield "cold", statistics.median(_cold_start(environment, engine) for _ in range(REPEATS))
        with environment.engine_agent(engine, SLOTS, MODULE):
            warm_up(environment)
            latencies = open_loop(environment, RATE)
            yield "p50", 1000 * percentile(latencies, 0.50)
            yield "p99", 1000 * percentile(latencies, 0.99)
            for isolation in DRAINS:
                yield isolation, statistics.median(_drain(environment, isolation, n) for n in range(REPEATS))
        with environment.engine_agent(engine, 1, MODULE):
            warm_up(environment)
            for kind in DEATHS:
                seconds = [run_again_seconds(environment, cluster, kind) for _ in range(REPEATS)]
                found = [one for one in seconds if one is not None]
                if found:
                    yield kind, statistics.median(found)


def _cold_start(environment: Environment, engine: EngineSettings | None) -> float:
    """Returns the seconds from the submission of a task to its start, by an agent that has no seat yet."""
    with environment.engine_agent(engine, SLOTS, MODULE):
        called = time.time()
        task_id = environment.submitter.submit("diagnostic.noop")
        environment.submitter.result(task_id, timeout_seconds=60)
        environment.wait(lambda: not environment.open_tasks(), "the end of the first task")
        with environment.database.transaction() as tx:
            [(_, started)] = tx.rows(queries("bench")["starts"], {"ids": [task_id]})
    return float(started) - called


def _hold_queues(environment: Environment) -> None:
    """Holds the queues of all drains, until there are as many tasks in them as are to be drained."""
    for isolation in DRAINS:
        for number in range(REPEATS):
            queue = QUEUE.format(isolation=isolation, number=number)
            with environment.database.transaction() as tx:
                holds.hold(tx, HoldKind.QUEUE, queue, HoldMode.PAUSED, "bench", "")


def _drain(environment: Environment, isolation: str, number: int) -> float:
    """Returns tasks per second of a drain by seats that are there, from the first claim to the last result."""
    task_type, count = DRAINS[isolation]
    queue = QUEUE.format(isolation=isolation, number=number)
    with environment.database.transaction() as tx:
        since = recovery.database_time(tx)
    environment.submitter.submit_many({"type": task_type, "queue": queue} for _ in range(count))
    with environment.database.transaction() as tx:
        holds.release(tx, HoldKind.QUEUE, queue, "bench", "")
    environment.wait(environment.is_drained, "the end of the drain", 120)
    with environment.database.transaction() as tx:
        done, seconds, _ = tx.rows(queries("bench")["drain"], {"since": since})[0]
    if done != count:
        raise AssertionError(f"{done} of {count} tasks completed")
    return float(count / seconds)


_WORDS = {
    "cold": f"from submission to start without a seat, median of {REPEATS}",
    "p50": f"submit → handler start at {RATE}/s, {SLOTS} slots",
    "p99": f"submit → handler start at {RATE}/s, {SLOTS} slots",
    "threads": f"no-ops in threads, {SLOTS} slots, median of {REPEATS}",
    "processes": f"no-ops in child processes, {SLOTS} slots, median of {REPEATS}",
    HANDLER: "kill -9 of the handler → runs again",
    SEAT: "kill -9 of the seat (without an engine: the agent) → runs again",
    PROCESS: "kill -9 of the engine's process → runs again",
    NODE: "kill -9 of all processes of the node → runs again elsewhere",
}


def _unit(figure: str) -> str:
    return {"p50": "ms", "p99": "ms", "threads": "tasks/s", "processes": "tasks/s"}.get(figure, "s")


def _table(figures: dict[str, dict[str, float]]) -> Table:
    """Returns the figures with a line for each engine."""
    again = "seconds from kill -9 until it runs again"
    table = Table(title=f"Engines: start at {RATE}/s, no-ops in threads and processes, {again}", title_justify="left")
    columns: dict[str, Callable[[dict[str, float]], str]] = {
        "cold s": partial(_joined, names=("cold",), digits=2),
        "p50/p99 ms": partial(_joined, names=("p50", "p99"), digits=0),
        "thr/s": partial(_joined, names=("threads",), digits=0),
        "proc/s": partial(_joined, names=("processes",), digits=0),
        **{kind: partial(_joined, names=(kind,), digits=2) for kind in DEATHS},
    }
    table.add_column("engine")
    for name in columns:
        table.add_column(name, justify="right", overflow="fold")
    for name, found in figures.items():
        table.add_row(name, *(shown(found) for shown in columns.values()))
    return table


def _joined(found: dict[str, float], names: tuple[str, ...], digits: int) -> str:
    return "/".join(f"{found[name]:,.{digits}f}" if name in found else "–" for name in names)
