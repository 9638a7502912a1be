"""Reports starts as soon as orders are read, if a slot is free: the answer comes while its thread wakes up.

Nothing runs before the answer is here (P12): the slot waits for it, and reports the start itself if it does not come.
Only starts of short runs are sent so early: others would not be noticeably faster, and where a process has to be made
first, an agent that dies meanwhile would be more often charged for what never began.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from redis.exceptions import RedisError

from taskyard.core.protocol import AgentInfo, Pair, Started, encode
from taskyard.core.redis.ports import AgentPort, PendingReport
from taskyard.worker.agents.heartbeat import HeartbeatSender
from taskyard.worker.agents.local_queue import LocalQueue
from taskyard.worker.agents.places import Places


class StartingAgent(Protocol):
    """The agent, as its early starts need it."""

    info: AgentInfo
    is_draining: bool
    heartbeat: HeartbeatSender


class EarlyStarts:
    """An agent's starts that were sent before a slot had their runs. Thread-safe: each step is one of a dict."""

    def __init__(self, agent: StartingAgent, waiting: LocalQueue, broker: AgentPort) -> None:
        self._agent, self._waiting, self._broker = agent, waiting, broker
        self._is_sure_of_places = getattr(type(agent), "reserve", None) is Places.reserve
        self._sent: dict[Pair, _Sent] = {}

    def send(self, agent_id: str, pairs: Sequence[Pair]) -> None:
        """Sends the starts of runs that this boot got, if slots wait for all of them and Redis can be reached.

        A slot that gets them asks `have_arrived`.
        """
        agent = self._agent
        is_free = self._is_sure_of_places and 0 < len(pairs) <= self._waiting.free_slots
        if not is_free or agent.is_draining or agent_id != agent.info.id or not agent.heartbeat.is_heard:
            return
        with suppress(RedisError):
            report = self._broker.begin_report(encode([Started(agent_id, list(pairs), time.time())]))
            if report is not None:
                self._sent.update(dict.fromkeys(pairs, _Sent(report)))

    def have_arrived(self, pairs: Iterable[Pair]) -> bool:
        """Waits for the answers, and returns True if all of these starts are known to have arrived."""
        sent = {self._sent.pop(pair, None) for pair in pairs}
        arrived = [one.has_arrived() for one in sent if one is not None]
        return len(arrived) == len(sent) and all(arrived)

    def forget(self, pairs: Iterable[Pair]) -> None:
        """Forgets runs that no slot will get."""
        for pair in pairs if self._sent else ():
            if (sent := self._sent.pop(pair, None)) is not None:
                sent.abandon()


class _Sent:
    """One report with the starts of runs, which different slots may have got."""

    def __init__(self, report: PendingReport) -> None:
        self._report = report
        self._reading = threading.Lock()
        self._is_over = self._has_arrived = False

    def has_arrived(self) -> bool:
        with self._reading:
            if not self._is_over:
                self._is_over = True
                with suppress(RedisError):
                    self._report.answer()
                    self._has_arrived = True
            return self._has_arrived

    def abandon(self) -> None:
        if self._reading.acquire(blocking=False):  # otherwise somebody reads the answer
            try:
                if not self._is_over:
                    self._is_over = True
                    self._report.abandon()
            finally:
                self._reading.release()
