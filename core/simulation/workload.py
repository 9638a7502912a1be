"""Defines recorded work as the simulation reads it: columns of plain lists, one place a task (pure).

A week can have hundreds of thousands of tasks, so a task is no object here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from taskyard.core.learning.keys import Keys
from taskyard.core.models import Lane
from taskyard.core.scheduling.agent_slots import AgentSlots

ALWAYS = ((-math.inf, math.inf),)


class Agent(NamedTuple):
    """An agent: what it may take, and the spans of time (since, until) in which it was present.

    `name` is the same for all boots of one agent: what is learned of agents goes by it.
    """

    name: str
    slots: AgentSlots
    present: Sequence[tuple[float, float]] = ALWAYS


class Pause(NamedTuple):
    """A span of time in which tasks of a queue or a type did not start, or an agent got none."""

    kind: Literal["queue", "type", "agent"]
    name: str
    since: float
    until: float


@dataclass(slots=True)
class Workload:
    """Tasks in the order of `enters`; all times in seconds from any one moment.

    `enters` is when a task takes part: later than `ready`, from which it waits, if it was ready before the simulated
    time began. `lanes` and `keys` have places in `lane_names` and `key_names`. Tasks not in `counted` take slots, and
    are in no figure; only those in `learned` are learned from. `recorded_starts` is empty where nothing was recorded;
    `recorded_agents` has places in `agents`, -1 for one that is not known. `run_factors` says by agent and lane how
    much longer than `run_seconds` a task runs there; empty: it runs equally long everywhere. `earlier` are runs before
    the simulated time, from which predictions are made at its beginning: their places in `key_names`, and seconds.
    """

    ready: list[float]
    enters: list[float]
    run_seconds: list[float]
    lanes: list[int]
    lane_names: list[Lane]
    keys: list[int]
    key_names: list[Keys]
    priorities: list[int]
    agents: list[Agent]
    pauses: list[Pause] = field(default_factory=list)
    recorded_starts: list[float] = field(default_factory=list)
    recorded_agents: list[int] = field(default_factory=list)
    counted: list[bool] = field(default_factory=list)  # empty: all
    learned: list[bool] = field(default_factory=list)  # empty: from all
    run_factors: list[list[float]] = field(default_factory=list)
    earlier: list[tuple[int, float]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ready)


def equal_agents(count: int, slots: int = 1) -> list[Agent]:
    """Returns agents that take everything, and are always there."""
    width = len(str(count))
    return [
        Agent(name, AgentSlots(name, ("*",), frozenset(), slots))
        for name in (f"agent-{number:0{width}}" for number in range(1, count + 1))
    ]


def at_load(workload: Workload, load: float) -> None:
    """Spreads or presses together the arrivals, so that the agents' slots are busy for this share of the whole time.

    Raises ValueError if all arrived at once, or if there is no work or no slot.
    """
    span = workload.ready[-1] - workload.ready[0] if workload.ready else 0.0
    slots = sum(agent.slots.max_concurrency for agent in workload.agents)
    work = sum(workload.run_seconds)
    if span <= 0 or work <= 0 or slots <= 0:
        raise ValueError("no span of time to spread the arrivals over")
    scale = work / (slots * load * span)
    first = workload.ready[0]
    workload.ready = [(at - first) * scale for at in workload.ready]
    workload.enters = list(workload.ready)
