"""Measures replays of recorded work: reading the record, and simulating it under each policy."""

from __future__ import annotations

import math
import random
import time

from taskyard.core.clock import Clock
from taskyard.core.learning.keys import Keys, keys_of
from taskyard.core.models import Lane
from taskyard.core.postgres.store import replays
from taskyard.core.postgres.store.rollups import DAY
from taskyard.core.simulation.record import workload_of
from taskyard.core.simulation.simulate import POLICIES, Simulation, everywhere, no_progress
from taskyard.core.simulation.workload import Workload, at_load, equal_agents
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.results import Result
from taskyard.worker.devtools.seed import seed

TASKS = 188_000
DAYS = 7
AGENTS = 20
LOAD = 0.85
TYPES, CREATORS = 30, 100
REPEATS = 3


def measure_replays(environment: Environment) -> list[Result]:
    """Measures a seeded week, read and made ready, then a made one under each policy; each is the fastest of some."""
    seed(environment.database, TASKS, DAYS, lambda what, count: None)
    now = Clock().now().timestamp()
    began = time.perf_counter()
    with environment.database.snapshot() as tx:
        record, _ = replays.read_record(tx, now - (DAYS + 1) * DAY, now, no_progress)
    read = time.perf_counter()
    found = workload_of(record)
    made = time.perf_counter()
    results = [
        Result("replay_read", read - began, "s", f"reading {len(found):,} attempts of {DAYS} days"),
        Result("replay_prepare", made - read, "s", "making a workload of them"),
    ]
    workload = made_week()
    for policy in POLICIES:
        results.append(Result(f"replay_{policy}", _seconds(workload, policy), "s", f"{TASKS:,} tasks, {AGENTS} agents"))
    workload.run_factors = _unequal(workload)
    what = f"{TASKS:,} tasks, {AGENTS} agents that differ"
    return [*results, Result("replay_matching", _seconds(workload, "learned"), "s", what)]


def made_week() -> Workload:
    """Returns tasks of many types and creators with lognormal run times, as the agents can just work off."""
    draw, at = random.Random(1), 0.0
    keys: dict[Keys, int] = {}
    lanes = [Lane("default", f"type.{number}") for number in range(TYPES)]
    found = Workload([], [], [], [], lanes, [], [], [], equal_agents(AGENTS))
    for _ in range(TASKS):
        at += draw.expovariate(1.0)
        lane, creator = int(TYPES * draw.random() ** 2), int(CREATORS * draw.random() ** 2)
        key = keys_of(lanes[lane].type, f"creator-{creator}", str(draw.randrange(4)))
        found.ready.append(at)
        found.run_seconds.append(draw.lognormvariate((lane % 7) + (creator % 5) / 2, 1.0))
        found.lanes.append(lane)
        found.keys.append(keys.setdefault(key, len(keys)))
        found.priorities.append(1)
    found.key_names = list(keys)
    at_load(found, LOAD)
    return found


def _unequal(workload: Workload) -> list[list[float]]:
    draw = random.Random(2)
    return [[math.exp(draw.gauss(0, 0.5)) for _ in workload.lane_names] for _ in workload.agents]


def _seconds(workload: Workload, policy: str) -> float:
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        Simulation(workload, everywhere(policy)).run()
        taken.append(time.process_time() - began)
    return min(taken)
