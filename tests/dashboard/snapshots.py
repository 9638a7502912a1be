"""Snapshots as the leader would write them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

from taskyard.core.telemetry.live_snapshot import (
    VERSION,
    AgentLive,
    DispatcherLive,
    FiringAlert,
    LaneDepth,
    LiveSnapshot,
    PoolLive,
    RunningTask,
    ServerLive,
)


def agent(
    name: str = "builder", *, slots: int = 3, tasks: Sequence[RunningTask] = (), state: str = "online", running: int = 0
) -> AgentLive:
    """An agent that is there."""
    now = time.time()
    return AgentLive(
        id=f"{name}:b1",
        name=name,
        kind="task",
        host="here",
        pid=1,
        types=["diagnostic.*"],
        tags=["linux"],
        max_concurrency=slots,
        state=state,
        running=running or len(tasks),
        held=running or len(tasks),
        mean_seconds=0.5,
        cpu_percent=12.5,
        memory_bytes=50 << 20,
        heartbeat_at=now,
        read_at=now,
        tasks=list(tasks),
        breakers=[],
    )


def snapshot(
    *,
    running: int = 0,
    slots: int = 3,
    urgent: int = 0,
    alerts: Sequence[str] = (),
    agents: Sequence[AgentLive] | None = None,
    queue: str = "default",
) -> LiveSnapshot:
    """The live state of an installation with a leader and, unless others are named, one agent."""
    now = time.time()
    return LiveSnapshot(
        version=VERSION,
        at=now,
        dispatcher=DispatcherLive("here:1", 1, now - 60, 10.0, 0.002, 0.004, 0.001, 3.0, 9),
        open_at=now,
        open=[],
        lanes=[LaneDepth(queue, "diagnostic.echo", [], urgent, now - 5, {"urgent": urgent})] if urgent else [],
        finished_at=now,
        finished=[],
        recent=[],
        agents=list(agents) if agents is not None else [agent(slots=slots, running=running)],
        pools=[PoolLive("task", ["here"], ["diagnostic.*"], ["linux"], slots, 1, 1, 1, 0, False, 2)],
        servers=[ServerLive("postgresql", True, "18", 0.001, {}), ServerLive("redis", True, "7.0", 0.001, {})],
        alerts=[
            FiringAlert(str(uuid.uuid4()), message, "default", "warning", "firing", message, now - 30)
            for message in alerts
        ],
    )
