"""Gives agents what they are comparatively best at, and tasks to agents that do (pure).

Where more tasks wait than slots are free, an agent that gets one takes, of the first CANDIDATES in order, that at which
it is comparatively best; else a task goes to the best agent that has a free slot. See core.learning.factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from taskyard.core.ids import agent_name_of
from taskyard.core.learning.factors import AgentFactors
from taskyard.core.learning.matching import CANDIDATES, MIN_GAIN, best_place
from taskyard.core.models import Lane
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.scheduling.crew import Crew
from taskyard.core.scheduling.crews import Crews

MIN_SECONDS = 0.01  # of an expected run time: with shorter tasks it is not worth looking
MAX_COMPARED = 32  # agents with a free slot
MAX_PASSED_KNOWN = 10_000  # tasks


class Waits(Protocol):
    """A ready task, as far as it matters here."""

    @property
    def id(self) -> str: ...
    @property
    def lane(self) -> Lane: ...
    @property
    def expected_seconds(self) -> float: ...


@dataclass(slots=True)
class Matching:
    """What is known of agents (replaced with each term), and how often each task was passed over."""

    factors: AgentFactors = field(default_factory=AgentFactors)
    passed: dict[str, int] = field(default_factory=dict)

    @property
    def is_of_use(self) -> bool:
        """Returns True if agents differ, as far as is known."""
        return self.factors.are_different

    def best_agent(self, crew: Crew, lane: Lane, otherwise: AgentSlots) -> AgentSlots:
        """Returns the agent with a free slot that is best at a lane's type; `otherwise` unless that costs MIN_GAIN."""
        free = list(islice((agent for agent in crew.in_order() if agent.free_slots()), MAX_COMPARED))
        if len(free) < 2:
            return otherwise
        best = min(free, key=lambda agent: self._handicap(agent, lane.type))
        gain = self._handicap(otherwise, lane.type) - self._handicap(best, lane.type)
        return best if gain >= MIN_GAIN else otherwise

    def best_of(self, waiting: Sequence[Waits], start: int, agent: AgentSlots, crews: Crews) -> int:
        """Returns the place of the task that an agent takes, of the first ones from `start` on, which it can take.

        Those that it could have taken before that one are counted as passed over.
        """
        places = [
            place
            for place in range(start, min(start + CANDIDATES, len(waiting)))
            if place == start or agent in crews.of(waiting[place].lane).with_room
        ]
        types = {waiting[place].lane.type for place in places}
        if len(types) < 2:
            return start
        handicaps = {type_: self._handicap(agent, type_) for type_ in types}
        passed = [self.passed.get(waiting[place].id, 0) for place in places]
        chosen = best_place([handicaps[waiting[place].lane.type] for place in places], passed)
        if len(self.passed) > MAX_PASSED_KNOWN:
            self.passed.clear()  # of tasks that were cancelled, or placed by another leader
        for place in places[:chosen]:
            self.passed[waiting[place].id] = self.passed.get(waiting[place].id, 0) + 1
        return places[chosen]

    def _handicap(self, agent: AgentSlots, task_type: str) -> float:
        return self.factors.handicap(agent_name_of(agent.id), task_type)
