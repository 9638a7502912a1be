"""Workloads for tests of the simulation: small random ones, and one of the shape of a real cluster's log."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from taskyard.core.learning.keys import Keys, keys_of, size_by
from taskyard.core.models import Lane
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.simulation.workload import Agent, Workload, at_load, equal_agents

DAY = 86_400.0


class Made(NamedTuple):
    """A task of a workload that a test makes."""

    ready: float
    seconds: float
    lane: Lane = Lane("default", "a.b")
    priority: int = 1
    keys: Keys = keys_of("a.b", "ada", "1")


def workload_of(tasks: Sequence[Made], agents: Sequence[Agent]) -> Workload:
    """Returns the tasks as columns, in order of their times."""
    tasks = sorted(tasks, key=lambda task: task.ready)
    lanes = list(dict.fromkeys(task.lane for task in tasks))
    keys = list(dict.fromkeys(task.keys for task in tasks))
    lane_places, key_places = ({one: place for place, one in enumerate(some)} for some in (lanes, keys))
    return Workload(
        ready=[task.ready for task in tasks],
        enters=[task.ready for task in tasks],
        run_seconds=[task.seconds for task in tasks],
        lanes=[lane_places[task.lane] for task in tasks],
        lane_names=lanes,
        keys=[key_places[task.keys] for task in tasks],
        key_names=keys,
        priorities=[task.priority for task in tasks],
        agents=list(agents),
    )


def agent(name: str, *types: str, slots: int = 1, tags: Sequence[str] = ()) -> Agent:
    """Returns an agent that takes these types, all if none is named."""
    return Agent(name, AgentSlots(name, types or ("*",), frozenset(tags), slots))


def cluster_log(load: float, agents: int = 10, count: int = 12_000, seed: int = 1) -> Workload:
    """Returns a workload of the shape of the logs of shared clusters, made from nothing but a seed.

    Two types and 60 creators, a few of whom submit most (shares ∝ 1/rank). Each has programs of their own with run
    times of their own: the medians are lognormal (σ 1.6 between creators, 1.0 between programs, and they grow with the
    number of processors), the runs of one program vary lognormally by σ 0.7. Together: most run for minutes, few for
    hours, and those have most of the work (coefficient of variation about 3.5). Creators come in sessions of up to 30
    tasks, minutes apart, more by day than at night.
    """
    draw = random.Random(seed)
    creators = range(60)
    shares = [1 / (rank + 1) for rank in creators]
    centres = [draw.gauss(5.0, 1.6) for _ in creators]
    programs = [
        [(draw.gauss(0, 1.0), 2 ** draw.choice((0, 0, 2, 3, 4, 5, 5, 6))) for _ in range(draw.randrange(2, 9))]
        for _ in creators
    ]
    tasks: list[Made] = []
    while len(tasks) < count:
        at = draw.uniform(0, 90 * DAY)
        if draw.random() > 0.6 - 0.4 * math.cos(2 * math.pi * at / DAY):
            continue
        creator = draw.choices(creators, shares)[0]
        type_ = "g1" if creator % 5 else "g2"
        spread, processors = draw.choice(programs[creator])
        for _ in range(draw.randrange(1, 31)):
            median = centres[creator] + spread + 0.15 * math.log2(processors)
            seconds = min(max(draw.lognormvariate(median, 0.7), 1.0), 60_000.0)
            keys = keys_of(type_, f"u{creator}", size_by((("processors",),), {"processors": processors}))
            tasks.append(Made(at, seconds, Lane("default", type_), 1, keys))
            at += draw.expovariate(1 / 300.0)
    found = workload_of(tasks[:count], equal_agents(agents))
    at_load(found, load)
    return found


def many_types(load: float) -> Workload:
    """Independent arrivals of 20 types and ten agents."""
    draw, at, tasks = random.Random(6), 0.0, []
    for _ in range(10_000):
        at += draw.expovariate(1.0)
        type_ = f"t{draw.randrange(20)}"
        tasks.append(Made(at, draw.lognormvariate(2, 1), Lane("default", type_), keys=keys_of(type_, "ada", "1")))
    workload = workload_of(tasks, equal_agents(10))
    at_load(workload, load)
    return workload


def with_unequal_agents(workload: Workload, seed: int, agent_sigma: float = 0.3, type_sigma: float = 0.4) -> None:
    """Makes each agent slower or faster than the others, in all and by type, by lognormal factors."""
    draw = random.Random(seed)
    workload.run_factors = []
    for _ in workload.agents:
        whole = draw.gauss(0, agent_sigma)
        by_type = {lane.type: math.exp(whole + draw.gauss(0, type_sigma)) for lane in workload.lane_names}
        workload.run_factors.append([by_type[lane.type] for lane in workload.lane_names])


def with_many_types(workload: Workload) -> None:
    """Gives each creator's tasks a type of their own."""
    lanes: dict[Lane, int] = {}
    creators = [keys[2].split("\n")[1] for keys in workload.key_names]
    workload.lanes = [lanes.setdefault(Lane("default", creators[key]), len(lanes)) for key in workload.keys]
    workload.lane_names = list(lanes)
