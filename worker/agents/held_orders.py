"""Tracks what an agent holds: from reading an order until the arrival of its result is acknowledged (P9)."""

from __future__ import annotations

from collections.abc import Iterable

from taskyard.core.protocol import Pair


class HeldOrders:
    """The held pairs, each with the boot of this agent that got its order. Thread-safe: each step is one of a dict."""

    def __init__(self) -> None:
        self._boots: dict[Pair, str] = {}

    def add(self, pair: Pair, agent_id: str) -> None:
        self._boots[pair] = agent_id

    def boot_of(self, pair: Pair, otherwise: str) -> str:
        """Returns the boot that got the order, and so has the claim; `otherwise` if it is not held."""
        return self._boots.get(pair, otherwise)

    def forget(self, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            self._boots.pop(pair, None)

    def pairs(self) -> list[Pair]:
        return list(self._boots)

    def by_boot(self, pairs: Iterable[Pair], otherwise: str) -> dict[str, list[Pair]]:
        """Returns some pairs grouped by the boots that got their orders."""
        found: dict[str, list[Pair]] = {}
        for pair in pairs:
            found.setdefault(self.boot_of(pair, otherwise), []).append(pair)
        return found
