"""Keeps what a pool knows of one of its agents."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field

from taskyard.worker.agents.health import SILENT_SECONDS, HealthReceiver
from taskyard.worker.agents.pool_config import AgentSpec


@dataclass(slots=True, eq=False)
class Member:
    """One agent of the pool and its current process."""

    spec: AgentSpec
    number: int = 0  # of its kind, from 1; 0: the pool's size never changes
    is_leaving: bool = False  # it finishes what it runs, and is not started again
    process: subprocess.Popen[bytes] | None = None
    health: HealthReceiver | None = None
    agent_id: str = ""
    proof: str = ""  # proves our right to report its end; see AgentInfo.farewell
    started: float = 0.0
    start_at: float = 0.0
    failures: int = 0
    last_end: str = "not started yet"
    escapes: Counter[str] = field(default_factory=Counter)  # of its ended processes' threads

    @property
    def is_alive(self) -> bool:
        """Returns True if its process runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def has_begun(self) -> bool:
        """Returns True if its process has reported; before that it has no task."""
        return self.health is not None and self.health.report is not None

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
