"""Remembers the second attempts beside stragglers, and which of them no longer count (P22)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from taskyard.core.postgres.store.hedges import Dropped
from taskyard.core.postgres.store.tick import Claimed
from taskyard.core.protocol import Cancel, Pair
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.known_agent import KnownAgent

ENDED_BESIDE = "the attempt beside it has ended"
OVERDUE_GRACE_SECONDS = 60.0  # after its timeout; it may start late


class Hedge(Claim):
    """A second attempt. `beside` is the number of the current one; `begun` is when it was committed, monotonic."""

    __slots__ = ("begun", "beside")

    def __init__(self, row: Claimed, beside: int, expected_seconds: float, begun: float) -> None:
        super().__init__(row, expected_seconds, 0.0)
        self.beside = beside
        self.begun = begun


class Hedges:
    """At most one for each task. Those that no longer count wait here for the next batch, which records that."""

    def __init__(self, agents: Mapping[str, KnownAgent]) -> None:
        self._agents = agents
        self._by_task: dict[str, Hedge] = {}
        self._dropped: list[tuple[Hedge, str]] = []
        self.begun = self.won = 0  # in this term

    def __bool__(self) -> bool:
        return bool(self._by_task)

    def __len__(self) -> int:
        return len(self._by_task)

    def __iter__(self) -> Iterator[Hedge]:
        return iter(list(self._by_task.values()))

    def open(self, hedge: Hedge) -> None:
        """Adds one whose agent was charged when it was chosen."""
        self._by_task[hedge.id] = hedge
        if hedge.agent_id in self._agents:
            self._agents[hedge.agent_id].slots.add_bytes(hedge.input_bytes)

    def find(self, task_id: str, attempt: int) -> Hedge | None:
        """Returns the one under this number."""
        hedge = self._by_task.get(task_id)
        return hedge if hedge is not None and hedge.attempt == attempt else None

    def of(self, agent_id: str) -> list[Hedge]:
        """Returns those that an agent has."""
        return [hedge for hedge in self._by_task.values() if hedge.agent_id == agent_id]

    def take(self, hedge: Hedge) -> None:
        """Removes one: it becomes the current attempt, or is dropped. Its agent has room again."""
        del self._by_task[hedge.id]
        agent = self._agents.get(hedge.agent_id)
        if agent is not None:
            agent.slots.take_back(hedge.expected_seconds, hedge.input_bytes)

    def drop(self, hedge: Hedge, reason: str) -> None:
        """Removes one that no longer counts."""
        self.take(hedge)
        self._dropped.append((hedge, reason))

    def drop_beside(self, task_id: str) -> None:
        """Removes the one of a task whose current attempt has ended, if there is one."""
        hedge = self._by_task.get(task_id)
        if hedge is not None:
            self.drop(hedge, ENDED_BESIDE)

    def drop_overdue(self, now: float) -> None:
        """Removes those whose agents should have ended them long ago. `now` is monotonic seconds."""
        for hedge in self:
            if now > hedge.begun + hedge.row.timeout_seconds + OVERDUE_GRACE_SECONDS:
                self.drop(hedge, "its agent did not report its end in time")

    def flush(self, batch: Batch) -> None:
        """Has a batch record what was dropped, and tell their agents."""
        for hedge, reason in self._dropped:
            batch.dropped_hedges.append(Dropped(hedge.id, hedge.attempt, hedge.agent_id, reason))
            if hedge.agent_id in self._agents:
                batch.order(hedge.agent_id, Cancel(*hedge.pair))
        self._dropped.clear()

    def pairs_of(self, agent_id: str) -> frozenset[Pair]:
        """Returns the pairs that an agent was sent."""
        return frozenset(hedge.pair for hedge in self.of(agent_id) if hedge.is_published)
