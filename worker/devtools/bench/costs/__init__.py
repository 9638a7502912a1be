"""Counts what a task costs that depends neither on the machine nor on timing, step by step in one process.

Each step is repeated, and what is done now and then, such as reading predictions, is left out: see `_typical`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from taskyard.core.config import Settings
from taskyard.worker.devtools.bench.costs.allocations import allocations, can_count
from taskyard.worker.devtools.bench.costs.scene import Scene
from taskyard.worker.devtools.bench.costs.wires import wires
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.results import Result

FEW, MANY, SUBMITTED = 1, 350, 1_000  # tasks: one that is alone, a tick of a drain, a call of submit_many
REPEATS = {FEW: 12, MANY: 6, SUBMITTED: 4}
Act = Callable[[], object]
Counter = Callable[[Act], Mapping[str, int]]
Costs = dict["Step", dict[str, int]]
# What each cost is counted in; bytes and allocations are told for each task, all else for the step.
UNITS = {
    "statements": "statements",
    "transactions": "transactions",
    "postgres_round_trips": "round trips",
    "wal_bytes": "bytes/task",
    "redis_round_trips": "round trips",
    "redis_commands": "commands",
    "redis_bytes_sent": "bytes/task",
    "redis_bytes_received": "bytes/task",
    "allocations": "allocations/task",
}
PER_TASK = "/task"


@dataclass(frozen=True, slots=True)
class Step:
    """What is counted: its name, how many tasks it deals with, and what it is."""

    name: str
    tasks: int
    what: str


def measure_costs(environment: Environment) -> list[Result]:
    """Counts statements, round trips, bytes and allocations of submissions, ticks and an agent."""
    servers = environment.servers
    with wires(servers.database_url, servers.redis_url) as between:
        found = counted(environment.settings, between.database_url, between.redis_url, between.counted)
    if can_count():
        environment.empty()
        for step, costs in counted(environment.settings, servers.database_url, servers.redis_url, allocations).items():
            found[step].update(costs)
    return results_of(found)


def counted(settings: Settings, database_url: str, redis_url: str, counter: Counter) -> Costs:
    """Returns what each step costs of what `counter` counts."""
    scene = Scene(settings, database_url, redis_url, MANY)
    found: dict[Step, list[Mapping[str, int]]] = {}
    try:
        for step, act in _steps(scene):
            found.setdefault(step, []).append(counter(act))
    finally:
        scene.close()
    return {step: _typical(costs) for step, costs in found.items()}


def _typical(found: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Returns the least that a step cost: others and what is due only add to it.

    The bytes at Redis are the median of those times when nothing was due: times have more digits or fewer.
    """
    fewest = min(costs.get("redis_commands", 0) for costs in found)
    alike = [costs for costs in found if costs.get("redis_commands", 0) == fewest]
    return {
        name: statistics.median_low(costs[name] for costs in alike)
        if name.startswith("redis_bytes")
        else min(costs[name] for costs in found)
        for name in found[0]
    }


def results_of(found: Costs) -> list[Result]:
    """Returns what was counted as figures, by name."""
    results = []
    for step, costs in found.items():
        for name, count in costs.items():
            unit = UNITS[name]
            value = count / step.tasks if unit.endswith(PER_TASK) else float(count)
            results.append(Result(f"{step.name}_{name}", value, unit, step.what))
    return sorted(results, key=lambda result: result.name)


def _steps(scene: Scene) -> Iterator[tuple[Step, Act]]:
    """Yields what is counted and what it does: the latter has been done when the next is asked for."""
    for _ in range(REPEATS[FEW]):
        yield Step("submit", 1, "submit of one task"), scene.submit
        yield from _course(scene, FEW)
    for _ in range(REPEATS[MANY]):
        scene.submit_many(MANY)
        yield from _course(scene, MANY)
    for _ in range(REPEATS[SUBMITTED]):
        step = Step("submit_many", SUBMITTED, f"submit_many of {SUBMITTED:,} tasks")
        yield step, lambda: scene.submit_many(SUBMITTED)


def _course(scene: Scene, count: int) -> Iterator[tuple[Step, Act]]:
    tasks = f"{count} tasks" if count > 1 else "one task"
    yield Step(f"claim_{count}", count, f"ticks that claim {tasks}"), scene.tick
    yield Step(f"agent_{count}", count, f"an agent reads, announces and reports {tasks}"), scene.run_tasks
    if scene.ran != count:
        raise AssertionError(f"an agent got {scene.ran} tasks of {count}")
    yield Step(f"settle_{count}", count, f"ticks that settle {tasks}"), scene.tick
