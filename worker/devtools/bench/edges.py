"""Measures what edges cost: chains of tasks against as many tasks that wait for nothing."""

from __future__ import annotations

import statistics

from taskyard.worker.devtools.bench.drains import REPEATS, CpuUsage, drain
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.results import Result

CHAINS = 1_000
LENGTH = 10
TASK_TYPE = "diagnostic.noop"


def measure_edges(environment: Environment) -> list[Result]:
    """Measures a drain of chains and of the same tasks without edges; both take turns."""
    count = CHAINS * LENGTH
    apart: list[float] = []
    chained: list[float] = []
    for _ in range(REPEATS):
        apart.append(drain(environment, TASK_TYPE, count, CpuUsage())[0])
        chained.append(drain(environment, TASK_TYPE, count, CpuUsage(), submit=lambda: _submit(environment))[0])
    without, rate = statistics.median(apart), statistics.median(chained)
    words = f"{CHAINS:,} chains of {LENGTH} no-op tasks on 2 agents, median of {REPEATS}"
    return [
        Result("drain_edges", rate, "tasks/s", words),
        Result("drain_no_edges", without, "tasks/s", "the same tasks without edges"),
        Result("edges_cost", 100 * (1 - rate / without), "%", "how much slower edges are"),
    ]


def _submit(environment: Environment) -> None:
    """Submits the chains, layer by layer."""
    layer = environment.submitter.submit_many({"type": TASK_TYPE} for _ in range(CHAINS))
    for _ in range(LENGTH - 1):
        layer = environment.submitter.submit_many({"type": TASK_TYPE, "after": [parent]} for parent in layer)
