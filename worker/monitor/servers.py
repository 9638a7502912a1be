"""Checks PostgreSQL and Redis as the monitor reaches them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from taskyard.core.errors import Unavailable
from taskyard.core.i18n import msg
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import live_counts
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.usage import check_writable
from taskyard.core.telemetry.live_snapshot import ServerLive

READ_ONLY = msg("PostgreSQL can't be reached: {reason}", reason="it is read-only")
SIZE_EVERY_SECONDS = 60.0  # it reads every file of the database


class Servers:
    """Checks both; an absent server is a finding, not an error."""

    def __init__(self, database: Database, broker: Broker, monotonic: Callable[[], float]) -> None:
        self._database = database
        self._broker = broker
        self._monotonic = monotonic
        self._size_bytes = 0.0
        self._size_at: float | None = None

    def check(self) -> list[ServerLive]:
        """Returns both servers now."""
        return [
            _timed("postgresql", self._postgresql),
            _timed("redis", self._redis),
        ]

    def _postgresql(self) -> tuple[str, dict[str, float]]:
        with self._database.transaction() as tx:
            found = live_counts.server(tx)
            if found.read_only:
                raise Unavailable(READ_ONLY)
            now = self._monotonic()
            if self._size_at is None or now - self._size_at > SIZE_EVERY_SECONDS:
                self._size_bytes, self._size_at = float(live_counts.database_size_bytes(tx)), now
        read = found.blocks_hit + found.blocks_read
        return found.version.split()[0], {
            "connections": found.connections,
            "max_connections": found.max_connections,
            "commits": found.commits,
            "rollbacks": found.rollbacks,
            "deadlocks": found.deadlocks,
            "temp_bytes": found.temp_bytes,
            "cache_hit_ratio": found.blocks_hit / read if read else 1.0,
            "size_bytes": self._size_bytes,
        }

    def _redis(self) -> tuple[str, dict[str, float]]:
        check_writable(self._broker.redis, self._broker.keys)
        found: dict[str, Any] = self._broker.server_info()
        return str(found["redis_version"]), {
            "memory_bytes": float(found["used_memory"]),
            "memory_limit_bytes": float(found["maxmemory"]),
            "clients": float(found["connected_clients"]),
            "commands": float(found["total_commands_processed"]),
            "evicted_keys": float(found["evicted_keys"]),
            "fragmentation_ratio": float(found["mem_fragmentation_ratio"]),
        }


def _timed(name: str, check: Callable[[], tuple[str, dict[str, float]]]) -> ServerLive:
    began = time.perf_counter()
    try:
        version, figures = check()
    except Unavailable as error:
        return ServerLive(name, False, "", None, {}, error.text)
    return ServerLive(name, True, version, time.perf_counter() - began, figures)
