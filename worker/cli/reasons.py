"""Why a pending task waits that no registered agent could ever take."""

from __future__ import annotations

from core.database import Transaction
from core.models import AgentRecord, Lane, Task
from core.placement import AgentSlots, unplaceable_reason
from core.states import TaskState
from core.store import reading


class Reasons:
    """Reasons by the agents that are registered now; each lane is looked at once."""

    def __init__(self, agents: list[AgentRecord]) -> None:
        self._agents = [
            AgentSlots(agent.id, agent.types, frozenset(agent.tags), agent.max_concurrency)
            for agent in agents
            if agent.left_at is None
        ]
        self._known: dict[Lane, str | None] = {}

    @classmethod
    def read(cls, tx: Transaction) -> Reasons:
        """By the agents that PostgreSQL knows now."""
        return cls(reading.agents(tx))

    def of_lane(self, lane: Lane) -> str | None:
        """Why nobody can take a task of this lane; None if somebody can."""
        if lane not in self._known:
            self._known[lane] = unplaceable_reason(lane, self._agents)
        return self._known[lane]

    def of_task(self, task: Task) -> str | None:
        """Why nobody can take this task; None if somebody can, or if it is not waiting for an agent."""
        if task.state is not TaskState.PENDING:
            return None
        return self.of_lane(Lane(task.queue, task.type, task.requires))
