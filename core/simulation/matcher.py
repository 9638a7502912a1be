"""Chooses tasks for agents, and agents for tasks, by what each agent is comparatively best at (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge
from itertools import islice

from taskyard.core.learning.factors import AgentFactors
from taskyard.core.learning.matching import CANDIDATES, best_place
from taskyard.core.simulation.lines import Line, take_first
from taskyard.core.simulation.workload import Workload


class Matcher:
    """What was learned of a workload's agents, and how often each of its tasks was passed over."""

    def __init__(self, workload: Workload) -> None:
        self._factors = AgentFactors()
        self._types_of_lanes = [lane.type for lane in workload.lane_names]
        self._types = [self._types_of_lanes[lane] for lane in workload.lanes]
        self._names = [agent.name for agent in workload.agents]
        self._passed = bytearray(len(workload))  # counts to MAX_PASSED and no further

    def note_end(
        self, task: int, agent: int, seconds: float, predicted_seconds: float | None, *, succeeded: bool
    ) -> None:
        """Learns from an attempt that ended."""
        if succeeded:
            self._factors.note_success(self._names[agent], self._types[task], seconds, predicted_seconds)
        else:
            self._factors.note_failure(self._names[agent], self._types[task])

    @property
    def has_preferences(self) -> bool:
        """Returns True if agents differ."""
        return self._factors.are_different

    def best_agent(self, agents: Sequence[int], lane: int) -> int:
        """Returns the agent with the least handicap for a lane's type, of several the first; -1 of none."""
        if len(agents) < 2:
            return agents[0] if agents else -1
        names = [self._names[agent] for agent in agents]
        return agents[self._factors.best_agent(names, self._types_of_lanes[lane])]

    def take(self, lines: Sequence[Line], agent: int) -> int:
        """Takes the task that an agent gets from lines, none of which is empty."""
        if not self._factors.are_different:
            return take_first(lines)
        if len(lines) == 1:
            [line] = lines
            return line.take(self._place([task for _, task in line.near], agent))
        first = list(
            islice(merge(*([(*entry, line) for entry in line.near] for line in lines), key=_score), CANDIDATES)
        )
        *_, task, line = first[self._place([task for _, task, _ in first], agent)]
        return line.take(next(place for place, entry in enumerate(line.near) if entry[1] == task))

    def _place(self, tasks: list[int], agent: int) -> int:
        """Returns the place of the task that an agent gets of those first in order, and counts who was passed over."""
        passed = self._passed
        types = [self._types[task] for task in tasks]
        if types.count(types[0]) == len(types):
            return 0
        handicaps = self._factors.handicaps(self._names[agent], types)
        chosen = best_place(handicaps, [passed[task] for task in tasks])
        for task in tasks[:chosen]:
            passed[task] += 1
        return chosen


def _score(entry: tuple[float, int, Line]) -> tuple[float, int]:
    return entry[0], entry[1]
