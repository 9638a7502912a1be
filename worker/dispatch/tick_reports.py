"""Records the dispatcher's ticks, cheaply, for later processing elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from taskyard.worker.dispatch.outcomes import Failed, Successes

MAX_UNREAD = 20_000  # ticks; the oldest are forgotten if nobody reads them


class Tick(NamedTuple):
    """One tick that changed something: from its collection to its publication, and its commit."""

    size: int  # tasks
    seconds: float
    commit_seconds: float
    failed: list[Failed]
    successes: Successes
    joined: Sequence[str] = ()  # ids of new boots of agents
    lost: Sequence[str] = ()


class TickLog:
    """Written by the dispatcher's thread, read by the monitor's."""

    def __init__(self) -> None:
        self._ticks: deque[Tick] = deque(maxlen=MAX_UNREAD)

    def add(self, tick: Tick) -> None:
        self._ticks.append(tick)

    def take(self) -> list[Tick]:
        """Returns everything since the last call."""
        taken = []
        while self._ticks:
            taken.append(self._ticks.popleft())
        return taken
