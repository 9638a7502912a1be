"""Sends an agent's heartbeat every second, from its own thread and connection."""

from __future__ import annotations

import threading
import time
from typing import Protocol

import psutil
import structlog

from taskyard.core.errors import Unavailable
from taskyard.core.protocol import AgentInfo, Heartbeat, encode
from taskyard.core.redis.connection import reaching_redis
from taskyard.core.redis.ports import AgentPort
from taskyard.core.threads import OnEscape, Supervised, start_thread

INTERVAL_SECONDS = 1.0

log = structlog.get_logger(__name__)


class HeartbeatOwner(Protocol):
    """The agent, as its heartbeat needs it."""

    @property
    def info(self) -> AgentInfo: ...

    def health(self) -> Heartbeat:
        """Returns the contents of the heartbeat."""

    def renew(self) -> None:
        """Takes a new boot id: the old one counts as dead."""

    def forget_orders(self) -> None:
        """Restarts the inbox after a wipe of Redis: orders are sent again."""

    def give_up(self) -> None:
        """Ends the agent: its tasks were given to others."""

    def problems(self) -> list[str]:
        """Returns why it does no work."""


class HeartbeatSender:
    """Sends heartbeats, and acts on the answers."""

    def __init__(self, agent: HeartbeatOwner, broker: AgentPort, ttl_seconds: float) -> None:
        self._agent = agent
        self._broker = broker
        self._ttl_seconds = ttl_seconds
        self._process = psutil.Process()
        self._stop = threading.Event()
        self._beating = threading.Lock()
        self._last_answer = time.monotonic()
        self._last_trouble = ""
        self._thread: Supervised | None = None
        self._usage = (0.0, 0)
        self._is_blind = False  # /proc could not be read
        self._number = 0
        self.generation = ""
        self.is_fenced = False  # the leader has given this boot up: its reports no longer count

    @property
    def is_heard(self) -> bool:
        """Returns True if a heartbeat was answered within the last TTL."""
        return self.silence_seconds < self._ttl_seconds

    @property
    def silence_seconds(self) -> float:
        """Returns the seconds since the last answered heartbeat."""
        return time.monotonic() - self._last_answer

    def is_heard_lately(self, seconds: float) -> bool:
        """Returns True if a heartbeat was answered within that time, or the last TTL if that is shorter."""
        return self.silence_seconds < min(seconds, self._ttl_seconds)

    @property
    def reason(self) -> str:
        """Returns what keeps the agent from its servers, as the end of a sentence; empty if nothing is known."""
        return f": {self._last_trouble}" if self._last_trouble else ""

    def start(self) -> None:
        """Starts sending. Raises RuntimeError if the system can't start a thread."""
        if self._thread is None:
            self._thread = start_thread(
                "heartbeat", self._run, OnEscape.END_PROCESS, is_essential=True, is_over=self._stop.is_set
            )

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=INTERVAL_SECONDS)

    def send(self) -> None:
        """Sends one heartbeat; raises Unavailable."""
        with self._beating:
            agent = self._agent
            sent = time.monotonic()
            if not self.is_heard:
                with reaching_redis():
                    self._broker.inbox_tail(agent.info.id)  # is Redis there? Until then nobody learns of another boot
                agent.renew()
            health = agent.health()
            self._number += 1
            health.number = self._number
            with reaching_redis():
                generation, is_fenced = self._broker.heartbeat(agent.info.id, encode(health), self._ttl_seconds)
            self._last_answer = sent
            if self._last_trouble:
                log.info("agent.reconnected", agent=agent.info.id)
                self._last_trouble = ""
            if generation != self.generation:
                if self.generation:
                    with reaching_redis():
                        agent.forget_orders()
                self.generation = generation
            if is_fenced and not self.is_fenced:
                self.is_fenced = True
                reason = "; ".join(agent.problems()) or "the leader received no heartbeat in time"
                log.warning("agent.fenced", agent=agent.info.id, reason=f"its tasks were given to others: {reason}")
                agent.give_up()

    def send_if_possible(self) -> None:
        """Sends one heartbeat, or logs why it can't be sent."""
        try:
            self.send()
        except Unavailable as error:
            self.note_trouble(str(error))

    def usage(self) -> tuple[float, int]:
        """Returns the CPU percent since the last call and this process's resident bytes; the last values if
        unavailable.
        """
        try:
            with self._process.oneshot():
                self._usage = (self._process.cpu_percent(), self._process.memory_info().rss)
            self._is_blind = False
        except (OSError, psutil.Error) as error:  # no descriptor is left: that must not stop the heartbeat
            if not self._is_blind:
                log.warning("agent.blind", agent=self._agent.info.id, reason=str(error))
            self._is_blind = True
        return self._usage

    def note_trouble(self, trouble: str) -> None:
        """Logs once what keeps the agent from its servers."""
        if trouble != self._last_trouble:
            log.warning("agent.waiting", agent=self._agent.info.id, reason=trouble)
            self._last_trouble = trouble

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            self.send_if_possible()
