"""Keeps what a pool knows of one of its agents."""

from __future__ import annotations

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
    process: subprocess.Popen[bytes] | None = None
    health: HealthReceiver | None = None
    agent_id: str = ""
    proof: str = ""  # proves our right to report its end; see AgentInfo.farewell
    started: float = 0.0
    start_at: float = 0.0
    failures: int = 0
    last_end: str = "not started yet"
    escapes: Counter[str] = field(default_factory=Counter)  # of its ended processes' threads

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
