"""How many agents the backlog calls for, as the leader puts it together."""

from __future__ import annotations

from taskyard.core.models import Lane
from taskyard.core.protocol import SeatsReport
from taskyard.core.redis.pools import KindReport, PoolReport
from taskyard.core.telemetry.live_snapshot import AgentLive
from taskyard.worker.monitor.pools import pools_live

POOL = PoolReport("here", "here", [KindReport("gpu", ["*"], [], 2, 1, 1, 1, 0)])


def agent(running: int, waiting: int | None) -> AgentLive:
    seats = None if waiting is None else SeatsReport("ray", [], [], waiting)
    return AgentLive(
        id="gpu-1:a",
        name="gpu-1",
        kind="gpu",
        host="here",
        pid=1,
        types=["*"],
        tags=[],
        max_concurrency=2,
        state="online",
        running=running,
        held=running,
        mean_seconds=None,
        cpu_percent=0.0,
        memory_bytes=0,
        heartbeat_at=0.0,
        read_at=None,
        tasks=[],
        breakers=[],
        seats=seats,
    )


def needed(running: int, waiting: int | None, *was_busy: str) -> int:
    [pool] = pools_live([POOL], [agent(running, waiting)], {Lane("default", "demo.work"): 0}, {}, was_busy)
    return pool.needed


def test_what_waits_for_a_seat_calls_for_its_agent() -> None:
    assert needed(running=0, waiting=None) == 0
    assert needed(running=0, waiting=0) == 0
    assert needed(running=0, waiting=1) == 1
    assert needed(running=1, waiting=2) == 2


def test_a_kind_that_ended_something_a_moment_ago_is_not_idle() -> None:
    assert needed(0, None, "gpu-1:a") == 1
    assert needed(0, None, "gpu-1:before") == 0
    assert needed(3, None, "gpu-1:a") == 2
