"""Computes how many agents of each kind the backlog calls for (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from taskyard.core.models import Lane
from taskyard.core.scheduling.agent_slots import AgentSlots, as_agents_see

AIM_SECONDS = 60.0  # within which the backlog is to be done
UNKNOWN_SECONDS = 10.0  # the run time of a type that has never run


@dataclass(frozen=True, slots=True)
class KindDemand:
    """A kind of agents: what each of them takes, and what those that exist run now."""

    kind: str
    types: tuple[str, ...]
    tags: frozenset[str]
    slots: int
    running_tasks: int = 0
    busy_agents: int = 0
    was_busy: bool = False  # one of its agents ended something a moment ago

    def takes(self, lane: Lane) -> bool:
        """Returns True if its types and tags suit the tasks of a lane."""
        return AgentSlots(self.kind, self.types, self.tags, self.slots).can_take(lane)


def agents_needed(
    kinds: Iterable[KindDemand], backlog: Mapping[Lane, int], seconds_by_type: Mapping[str, float]
) -> dict[str, int]:
    """Returns by kind the agents that finish the backlog within AIM_SECONDS beside what runs already.

    For each kind: (running tasks + backlog × predicted run time ÷ AIM_SECONDS) ÷ slots of an agent, rounded up:
    never fewer than the agents that run something, and at least one while a task waits or has just ended, so that a
    kind that gets short tasks all the time does not seem to be idle between them. `backlog` counts ready tasks
    by lane. Those that several kinds take are divided evenly between them; those that none takes call for nobody.
    `seconds_by_type` are mean run times; without one, UNKNOWN_SECONDS.
    """
    known = list(kinds)
    work_seconds = dict.fromkeys((one.kind for one in known), 0.0)
    takers: dict[Lane, list[str]] = {}
    for lane, count in backlog.items():
        if not count:
            continue
        seen = as_agents_see(lane)
        if seen not in takers:
            takers[seen] = [one.kind for one in known if one.takes(seen)]
        for kind in takers[seen]:
            work_seconds[kind] += count * seconds_by_type.get(lane.type, UNKNOWN_SECONDS) / len(takers[seen])
    waiting = {kind for kinds_of_lane in takers.values() for kind in kinds_of_lane}
    return {one.kind: _needed(one, work_seconds[one.kind], is_waited_for=one.kind in waiting) for one in known}


def _needed(one: KindDemand, work_seconds: float, *, is_waited_for: bool) -> int:
    slots = one.running_tasks + work_seconds / AIM_SECONDS
    agents = math.ceil(slots / one.slots - 1e-9)  # sums of thirds are no whole numbers
    return max(one.busy_agents, agents, int(is_waited_for or one.was_busy))
