"""Tracks what an agent holds: from reading an order until the arrival of its result is acknowledged (P9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from taskyard.core.protocol import Pair
from taskyard.core.scheduling.agent_slots import MAX_QUEUE_AHEAD
from taskyard.worker.agents.inbox import DELETE_COUNT

MAX_SEEN = DELETE_COUNT * MAX_QUEUE_AHEAD  # as many runs as the inbox may still hold when it is read again
FORGOTTEN_COUNT = 1_000  # at a time: to find the oldest in a dict, Python passes over all places that were freed


class SeenOrders:
    """The last ordered attempt of each of the latest MAX_SEEN tasks or some more: an order that comes twice is one."""

    def __init__(self) -> None:
        self._attempts: dict[str, int] = {}

    def is_new(self, task_id: str, attempt: int) -> bool:
        """Returns True if this attempt was not ordered before."""
        return self._attempts.get(task_id, 0) < attempt

    def add(self, pairs: Iterable[Pair]) -> None:
        self._attempts.update(pairs)
        if len(self._attempts) >= MAX_SEEN + FORGOTTEN_COUNT:
            for task_id in list(islice(self._attempts, len(self._attempts) - MAX_SEEN)):
                del self._attempts[task_id]

    def forget(self, pairs: Iterable[Pair]) -> None:
        for task_id, _ in pairs:
            self._attempts.pop(task_id, None)


class HeldOrders:
    """The held pairs, each with the boot of this agent that got its order. Thread-safe: each step is one of a dict.

    `on_forget` gets the pairs that it holds no more.
    """

    def __init__(self, on_forget: Callable[[Sequence[Pair]], None]) -> None:
        self._boots: dict[Pair, str] = {}
        self._on_forget = on_forget

    def add(self, pair: Pair, agent_id: str) -> None:
        self._boots[pair] = agent_id

    def boot_of(self, pair: Pair, otherwise: str) -> str:
        """Returns the boot that got the order, and so has the claim; `otherwise` if it is not held."""
        return self._boots.get(pair, otherwise)

    def forget(self, pairs: Sequence[Pair]) -> None:
        for pair in pairs:
            self._boots.pop(pair, None)
        self._on_forget(pairs)

    def pairs(self) -> list[Pair]:
        return list(self._boots)

    def by_boot(self, pairs: Iterable[Pair], otherwise: str) -> dict[str, list[Pair]]:
        """Returns some pairs grouped by the boots that got their orders."""
        found: dict[str, list[Pair]] = {}
        for pair in pairs:
            found.setdefault(self.boot_of(pair, otherwise), []).append(pair)
        return found
