"""Remembers the last checks of PostgreSQL and Redis, for the health of a worker."""

from __future__ import annotations

import time
from collections.abc import Sequence

from taskyard.core.telemetry.live_snapshot import ServerLive

UNSEEN_SECONDS = 25.0  # without a check


class ServerWatch:
    """PostgreSQL and Redis at the last checks."""

    def __init__(self) -> None:
        self._seen_at = time.monotonic()
        self._down_checks: dict[str, int] = {}
        self.servers: Sequence[ServerLive] | None = None

    def note(self, servers: Sequence[ServerLive]) -> None:
        """Records a new check."""
        self.servers, self._seen_at = servers, time.monotonic()
        self._down_checks = {s.name: self._down_checks.get(s.name, 0) + 1 for s in servers if not s.is_up}

    def problems(self) -> list[str]:
        """Returns what was away in the last two checks, or that there are no checks."""
        unseen = time.monotonic() - self._seen_at
        if unseen > UNSEEN_SECONDS:
            return [f"servers: not checked for {unseen:.0f} s"]
        return [self._say(s) for s in self.servers or () if self._down_checks.get(s.name, 0) >= 2]

    def unready(self) -> list[str]:
        """Returns what was away in the last check."""
        if self.servers is None:
            return ["the servers have not been checked yet"]
        return [self._say(server) for server in self.servers if not server.is_up]

    def _say(self, server: ServerLive) -> str:
        return server.problem or f"{server.name} is away"
