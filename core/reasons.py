"""Explains why a task that could start waits: a hold, or no registered agent that could ever take it."""

from __future__ import annotations

from datetime import UTC, datetime

from taskyard.core.models import AgentRecord, Lane, Task
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import holds as holds_store
from taskyard.core.postgres.store import tasks
from taskyard.core.scheduling.agent_slots import as_agents_see, slots_of
from taskyard.core.scheduling.holds import Holds
from taskyard.core.scheduling.placement import unplaceable_reason


class Reasons:
    """Reasons from the registered agents and the holds; lanes that suit the same agents are checked once."""

    def __init__(self, agents: list[AgentRecord], holds: Holds) -> None:
        self._names = {agent.id: agent.name for agent in agents}
        self._holds = holds
        self._agents = [slots_of(agent) for agent in agents if agent.left_at is None]
        self._known: dict[Lane, str | None] = {}

    @classmethod
    def read(cls, tx: Transaction) -> Reasons:
        """Reads the agents and holds from PostgreSQL."""
        return cls(tasks.present_agents(tx), holds_store.holds(tx))

    def of_lane(self, lane: Lane) -> str | None:
        """Returns why no agent takes a task of this lane; None if one can."""
        hold = self._holds.of_lane(lane)
        if hold is not None:
            return str(hold)
        alike = as_agents_see(lane)
        if alike not in self._known:
            self._known[alike] = unplaceable_reason(alike, self._agents) or self._all_held(alike)
        return self._known[alike]

    def _all_held(self, lane: Lane) -> str | None:
        """Returns the holds of all agents that could take a lane; None if one of them is not held."""
        held = [self._holds.of_agent(self._names[agent.id]) for agent in self._agents if agent.can_take(lane)]
        reasons = [str(hold) for hold in held if hold is not None]
        return "; ".join(reasons) if held and len(reasons) == len(held) else None

    def of_task(self, task: Task) -> str | None:
        """Returns why no agent can take this task; None if one can, or if it is not waiting for an agent."""
        if not task.is_ready(datetime.now(UTC)):
            return None
        return self.of_lane(Lane(task.queue, task.type, task.requires))
