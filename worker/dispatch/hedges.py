"""Remembers the second attempts beside stragglers, and which of them no longer count (P22)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from taskyard.core.postgres.store.hedges import Dropped
from taskyard.core.postgres.store.tick import Claimed
from taskyard.core.protocol import Cancel, Pair
from taskyard.core.scheduling.hedging import OVERDUE
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.known_agent import KnownAgent

OVERDUE_GRACE_SECONDS = 60.0  # after its timeout; it may start late
MAX_TOLD = 10_000  # pairs that were cancelled, whose ends say nothing new


class Hedge(Claim):
    """A second attempt, beside the current one `first`. `begun` is when it was committed, monotonic."""

    __slots__ = ("begun", "beside", "first")

    def __init__(self, row: Claimed, first: Claim, expected_seconds: float, begun: float) -> None:
        super().__init__(row, expected_seconds, first.ready)
        self.first = first
        self.beside = first.attempt
        self.begun = begun


class Hedges:
    """At most one for each task. Those that no longer count wait here for the next batch, which records that."""

    def __init__(self, agents: Mapping[str, KnownAgent]) -> None:
        self._agents = agents
        self._by_task: dict[str, Hedge] = {}
        self._freed: list[Hedge] = []
        self._dropped: list[Dropped] = []
        self._told: dict[Pair, None] = {}
        self.begun = self.won = 0  # in this term

    def __bool__(self) -> bool:
        return bool(self._by_task or self._told)

    def __len__(self) -> int:
        return len(self._by_task)

    def __iter__(self) -> Iterator[Hedge]:
        return iter(list(self._by_task.values()))

    def open(self, hedge: Hedge) -> None:
        """Adds one whose agent was charged when it was chosen."""
        self._by_task[hedge.id] = hedge
        hedge.first.second = hedge
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
        hedge.first.second = None
        agent = self._agents.get(hedge.agent_id)
        if agent is not None:
            agent.slots.take_back(hedge.expected_seconds, hedge.input_bytes)

    def drop(self, hedge: Hedge, reason: str) -> None:
        """Removes one that no longer counts."""
        self.take(hedge)
        self.note_dropped(hedge.row, reason)

    def note_dropped(self, row: Claimed, reason: str | None) -> None:
        """Has the next batch record that one no longer counts; None: since the attempt beside it has ended."""
        self._dropped.append(Dropped(row.id, row.attempt, row.agent_id, reason))

    def free(self, task_id: str) -> None:
        """Removes the one of a task whose current attempt has ended; what becomes of it depends on how that ended."""
        hedge = self._by_task[task_id]
        self.take(hedge)
        self._freed.append(hedge)

    def take_freed(self) -> list[Hedge]:
        """Returns those whose current attempts have ended since this was called last."""
        freed, self._freed = self._freed, []
        return freed

    def note_cancelled(self, pair: Pair) -> None:
        """Remembers an attempt that was cancelled since another one counts: its end says nothing new."""
        self._told[pair] = None
        while len(self._told) > MAX_TOLD:
            del self._told[next(iter(self._told))]

    def expects_end(self, pair: Pair) -> bool:
        """Returns True, once, for the end of such an attempt."""
        return self._told.pop(pair, self) is None

    def drop_overdue(self, now: float) -> None:
        """Removes those whose agents should have ended them long ago. `now` is monotonic seconds."""
        for hedge in self:
            if now > hedge.begun + hedge.row.timeout_seconds + OVERDUE_GRACE_SECONDS:
                self.drop(hedge, OVERDUE)

    def flush(self, batch: Batch) -> None:
        """Has a batch record what was dropped, and tell their agents."""
        for one in self._dropped:
            batch.dropped_hedges.append(one)
            if one.agent_id in self._agents:
                batch.order(one.agent_id, Cancel(one.id, one.attempt))
                self.note_cancelled((one.id, one.attempt))
        self._dropped.clear()

    def pairs_of(self, agent_id: str) -> frozenset[Pair]:
        """Returns the pairs that an agent was sent."""
        return frozenset(hedge.pair for hedge in self.of(agent_id) if hedge.is_published)
