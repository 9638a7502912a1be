"""Installations with none, one or thousands of agents, queues and alerts, for pictures of their pages.

One agent is a real one, and does the work; the others only send heartbeats, and no task is for them.
"""

from __future__ import annotations

import itertools
import threading
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from taskyard.core.config import load_settings
from taskyard.core.embedded.servers import running_urls
from taskyard.core.protocol import VERSION, AgentInfo, Heartbeat, encode
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.telemetry.live_snapshot import read_live
from tests.browser.scenery import WORK_SECONDS, Scenery
from tests.servers import wait_until

BEAT_SECONDS = 2.0  # an agent counts as silent after five
TTL_SECONDS = 60
ALERTS = """
[[rules]]
name = "tasks wait long"
kind = "oldest_waiting"
threshold = 1
subjects = ["customer-*[1-9]"]

[[rules]]
name = "a small customer waits"
kind = "oldest_waiting"
severity = "info"
threshold = 1
subjects = ["customer-*[1-9]0"]

[[rules]]
name = "a large customer waits"
kind = "oldest_waiting"
severity = "critical"
threshold = 1
subjects = ["customer-*00"]
"""
CROWD_TYPE = "crowd.rest"  # nobody submits it


class Crowd(Scenery):
    """`taskyard run --dashboard --migrate` with `count` agents, queues and alerts."""

    def __init__(self, folder: Path, count: int) -> None:
        super().__init__(folder, with_samples=False)
        self._count = count
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat)
        pool = folder / "pool.toml"
        pool.write_text(f'[[agents]]\nkind = "coder"\ntypes = ["diagnostic.*"]\ncount = {min(1, count)}\n')
        rules = folder / "alerts.toml"
        rules.write_text(ALERTS)
        self._environment |= {
            "TASKYARD_POOL_FILE": str(pool),
            "TASKYARD_ALERTS_FILE": str(rules),
            "TASKYARD_AGENT_TTL_SECONDS": str(TTL_SECONDS),
        }

    def __enter__(self) -> Self:
        entered = super().__enter__()
        database_url, redis_url = running_urls(self._folder / "data")
        self._database_url, self._redis_url = str(database_url), str(redis_url)
        self._keys = Keys(load_settings().namespace)
        self._beats.start()
        return entered

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._beats.join()
        super().__exit__(kind, error, traceback)

    def fill(self) -> None:
        """A task in each queue, one that has ended and one that has failed; waits for the agents and the alerts."""
        if self._count:
            self._submit([_task(number) for number in range(self._count)])
            self._submit_one("diagnostic.echo", {"value": "hello"}, "--title", "A first task")
            self._submit_one("diagnostic.fail", {"message": "the disk is full", "kind": "permanent"})
        wait_until(self._is_there, WORK_SECONDS, f"{self._count} agents are there")

    def _is_there(self) -> bool:
        with connect_redis(self._redis_url) as client:
            live = read_live(RedisCache(client, self._keys))
        ended = self.tasks("--state", "completed", "--limit", "1")
        is_seen = live is not None and min(len(live.agents), len(live.alerts)) >= self._count
        return is_seen and bool(ended) == bool(self._count)

    def _beat(self) -> None:
        """Sends the heartbeats of all agents but the real one, until the end."""
        boot = uuid.uuid4().hex[:12]
        with connect_redis(self._redis_url) as client:
            for number in itertools.count(1):
                with client.pipeline(transaction=False) as pipeline:
                    for heartbeat in (_heartbeat(agent, boot, number) for agent in range(1, self._count)):
                        name = heartbeat.agent.id
                        pipeline.set(self._keys.heartbeat(name), encode(heartbeat), px=TTL_SECONDS * 1000)
                        pipeline.sadd(self._keys.agents, name)
                    pipeline.execute()
                if self._ended.wait(BEAT_SECONDS):
                    return


def _heartbeat(agent: int, boot: str, number: int) -> Heartbeat:
    name, slots = f"worker-{agent:04d}", 1 + agent % 8
    info = AgentInfo(
        f"{name}:{boot}", name, boot, "crowd", f"host-{agent % 40:02d}", 1000 + agent, [CROWD_TYPE], [], slots, VERSION
    )
    return Heartbeat(info, "", "0-0", [], 0, False, agent % 97, (50 + agent % 400) << 20, number)


def _task(number: int) -> dict[str, Any]:
    """A task that waits for an agent that nobody has, in a queue of its own."""
    queue = f"customer-{number:04d}"
    return {"type": "diagnostic.noop", "input": {}, "title": f"Import of {queue}", "queue": queue, "requires": ["gpu"]}
