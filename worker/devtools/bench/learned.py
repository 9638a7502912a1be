"""Measures what the placement policy `learned` does to the time until tasks end, against `least_loaded`.

Both policies get the same tasks at the same moments: 4 of 5 take 20 ms, the others 400 ms, shuffled, on two agents of
one slot. The load is 0.9: of the rate at which these agents finish them when more wait than they can do. Once with
equal agents, and once with agents of which one takes 3 times as long for the long tasks. What is learned begins with
the tasks before those that count.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from taskyard.core.postgres.database import queries
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.learned_types import SLOWNESS
from taskyard.worker.devtools.bench.results import Result, percentile

MODULE = "taskyard.worker.devtools.bench.learned_types"
TASKS, BEFORE = 2_000, 300
SATURATING = 400
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
        plan = _plan(_rate(environment, slowness))
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


def _types(count: int, draw: random.Random) -> list[str]:
    found = ["bench.short"] * round(SHORT_SHARE * count)
    found += ["bench.long"] * (count - len(found))
    draw.shuffle(found)
    return found


def _rate(environment: Environment, slowness: float) -> float:
    """Returns how many tasks a second the agents finish when more wait than they can do."""
    environment.empty()
    with _running(environment, POLICIES[0], slowness) as submitter:
        _wait_for(environment, submitter, ["bench.short"])  # everything has started
        began = time.monotonic()
        _wait_for(environment, submitter, _types(SATURATING, random.Random(SEED)))
        return SATURATING / (time.monotonic() - began)


def _wait_for(environment: Environment, submitter: Submitter, types: Sequence[str]) -> None:
    submitter.submit_many([{"type": type_} for type_ in types])
    environment.wait(lambda: not environment.open_tasks(), "the end of all tasks", DRAIN_TIMEOUT_SECONDS)


def _plan(rate: float) -> list[tuple[float, str]]:
    """Returns when each task is submitted, in seconds from the first, and its type."""
    draw = random.Random(SEED)
    at, found = 0.0, []
    for type_ in _types(BEFORE + TASKS, draw):
        found.append((at, type_))
        at += draw.expovariate(LOAD * rate)
    return found


@contextmanager
def _running(environment: Environment, policy: str, slowness: float) -> Iterator[Submitter]:
    """Runs a worker and two agents with a policy, and gives what submits by it."""
    settings = environment.settings.model_copy(update={"placement": policy})
    broker = Broker(connect_redis(environment.servers.redis_url), settings.namespace, settings.placement_of)
    with (
        environment.worker(MODULE, TASKYARD_PLACEMENT=policy),
        environment.one_agent("even", 1, MODULE),
        environment.one_agent("uneven", 1, MODULE, **{SLOWNESS: str(slowness)}),
    ):
        yield Submitter(settings, registry, environment.database, broker)


def _run(environment: Environment, policy: str, slowness: float, plan: Sequence[tuple[float, str]]) -> list[float]:
    """Returns how long each task that counts took from its submission to its end, in seconds."""
    environment.empty()
    with _running(environment, policy, slowness) as submitter:
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
