"""Measures what the placement policy `learned` does to the time until tasks end, against `least_loaded`.

Both policies get the same tasks at the same moments: 4 of 5 take 20 ms, the others 400 ms, shuffled, at a load of 0.9
on two agents of one slot. Once with equal agents, and once with agents of which one takes 3 times as long for the long
tasks. What is learned begins with the tasks before those that count.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from taskyard.core.postgres.database import queries
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.learned_types import LONG_SECONDS, SHORT_SECONDS, SLOWNESS
from taskyard.worker.devtools.bench.results import Result, percentile

MODULE = "taskyard.worker.devtools.bench.learned_types"
TASKS, BEFORE = 2_000, 300
LOAD = 0.9
SHORT_SHARE = 0.8
SLOW = 3.0
POLICIES = ("least_loaded", "learned")
SEED = 17
DRAIN_TIMEOUT_SECONDS = 120.0


def measure_learned(environment: Environment) -> list[Result]:
    """Measures the mean and p99 of the time from submission to end under both policies, and their difference."""
    registry.load([MODULE])
    results: list[Result] = []
    for name, slowness, what in (
        ("learned", 1.0, "equal agents"),
        ("learned_slow", SLOW, "one agent slower at one type"),
    ):
        plan = _plan(slowness)
        found = {policy: _run(environment, policy, slowness, plan) for policy in POLICIES}
        for policy, seconds in found.items():
            results += [
                Result(f"{name}_mean_{policy}", _mean(seconds), "s", f"submission → end, {what}"),
                Result(f"{name}_p99_{policy}", percentile(seconds, 0.99), "s", f"submission → end, {what}"),
            ]
        before, after = (found[policy] for policy in POLICIES)
        results += [
            Result(f"{name}_mean", 100 * (_mean(after) / _mean(before) - 1), "%", f"change of the mean, {what}"),
            Result(
                f"{name}_p99",
                100 * (percentile(after, 0.99) / percentile(before, 0.99) - 1),
                "%",
                f"change of p99, {what}",
            ),
        ]
    return results


def _plan(slowness: float) -> list[tuple[float, str]]:
    """Returns when each task is submitted, in seconds from the first, and its type."""
    draw = random.Random(SEED)
    long_seconds = LONG_SECONDS * (1 + slowness) / 2  # on average of both agents
    mean = SHORT_SHARE * SHORT_SECONDS + (1 - SHORT_SHARE) * long_seconds
    at, found = 0.0, []
    for _ in range(BEFORE + TASKS):
        found.append((at, "bench.short" if draw.random() < SHORT_SHARE else "bench.long"))
        at += draw.expovariate(LOAD * 2 / mean)
    return found


def _run(environment: Environment, policy: str, slowness: float, plan: Sequence[tuple[float, str]]) -> list[float]:
    """Returns how long each task that counts took from its submission to its end, in seconds."""
    environment.empty()
    settings = environment.settings.model_copy(update={"placement": policy})
    broker = Broker(
        connect_redis(environment.servers.redis_url), settings.namespace, lambda queue: settings.placement_of(queue)
    )
    submitter = Submitter(settings, registry, environment.database, broker)
    with (
        environment.worker(MODULE, TASKYARD_PLACEMENT=policy),
        environment.one_agent("even", 1, MODULE),
        environment.one_agent("uneven", 1, MODULE, **{SLOWNESS: str(slowness)}),
    ):
        began = time.monotonic()
        ids = []
        for at, type_ in plan:
            time.sleep(max(0.0, began + at - time.monotonic()))
            ids.append(submitter.submit(type_))
        environment.wait(environment.is_drained, "the end of all tasks", DRAIN_TIMEOUT_SECONDS)
    with environment.database.transaction() as tx:
        rows = tx.rows(queries("bench")["seconds_to_end"], {"ids": ids[BEFORE:]})
    return [float(row[0]) for row in rows]


def _mean(seconds: Sequence[float]) -> float:
    return sum(seconds) / len(seconds)
