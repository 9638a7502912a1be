"""Keeps what a pool knows of one of its agents."""

from __future__ import annotations

import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from taskyard.core.declarations import one_line
from taskyard.core.redis.pools import AbsentAgent
from taskyard.worker.agents.adopted import AgentProcess
from taskyard.worker.agents.health import MAX_REASON_LENGTH, SILENT_SECONDS, HealthReceiver
from taskyard.worker.agents.pool_config import AgentSpec


@dataclass(slots=True, eq=False)
class Member:
    """One agent of the pool and its current process."""

    spec: AgentSpec
    number: int = 0  # of its kind, from 1; 0: the pool's size never changes
    is_leaving: bool = False  # it finishes what it runs, and is not started again
    process: AgentProcess | None = None
    health: HealthReceiver | None = None
    agent_id: str = ""
    proof: str = ""  # proves our right to report its end; see AgentInfo.farewell
    started: float = 0.0
    start_at: float = 0.0
    failures: int = 0  # ends in a row, without having been online for a while in between
    last_end: str = "not started yet"
    was_online: bool = False  # its current process, at some time
    absent_since: float = field(default_factory=time.monotonic)  # since when it is not online, if it is not
    escapes: Counter[str] = field(default_factory=Counter)  # of its ended processes' threads

    @property
    def is_alive(self) -> bool:
        """Returns True if its process runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def has_begun(self) -> bool:
        """Returns True if its process has reported; before that it has no task."""
        return self.health is not None and self.health.report is not None

    @property
    def is_online(self) -> bool:
        """Returns True if its process runs and the leader has welcomed it."""
        report = self.health.report if self.health is not None else None
        return report is not None and report.is_online and self.is_alive

    def note_online(self) -> None:
        """Notes whether it is online; the pool calls it in every round."""
        if self.is_online:
            self.was_online, self.absent_since = True, time.monotonic()

    def absence(self) -> AbsentAgent | None:
        """Returns why it is not online; None if it is."""
        if self.is_online:
            return None
        seconds = time.monotonic() - self.absent_since
        if self.failures:
            return AbsentAgent(self.spec.name, seconds, self.failures, one_line(self.last_end, MAX_REASON_LENGTH))
        report = self.health.report if self.health is not None else None
        words = "; ".join(report.problems) if report is not None else ""
        return AbsentAgent(self.spec.name, seconds, 0, one_line(words, MAX_REASON_LENGTH))

    def leave(self) -> None:
        """Lets it finish what it runs, for as long as that takes, and end."""
        self.is_leaving = True
        if self.process is None or not self.is_alive:
            return
        # before its first report it has no task, and may not know the signal
        self.process.send_signal(signal.SIGUSR1 if self.has_begun else signal.SIGTERM)

    def problems(self) -> list[str]:
        """Returns why it does no work."""
        if self.process is None:
            in_seconds = max(0.0, self.start_at - time.monotonic())
            return [f"not running: {self.last_end}; restarts in {in_seconds:.0f} s"]
        if self.health is None or self.health.report is None:
            return ["it is starting"]
        if self.health.silence_seconds > SILENT_SECONDS:
            return [f"no report from its process for {self.health.silence_seconds:.0f} s"]
        return self.health.report.problems
