"""Waits for orders in agents' inboxes without a thread for each: for a server that many agents ask at once."""

from __future__ import annotations

import asyncio
from typing import Any

import redis.asyncio
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from taskyard.core.redis.connection import SOCKET_TIMEOUT_SECONDS, reaching_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.url import connection_options

MAX_WAITING = 2_000  # connections, one for each that waits
_CLASSES: dict[str, type[Any]] = {
    "Connection": Connection,
    "SSLConnection": SSLConnection,
    "UnixDomainSocketConnection": UnixDomainSocketConnection,
}


class InboxWaiting:
    """Waits on connections of its own, in one event loop."""

    def __init__(self, url: str, keys: Keys) -> None:
        """Connects on first use; `url` is one that `connect_redis` accepts."""
        options = connection_options(url)
        options["connection_class"] = _CLASSES[options["connection_class"].__name__]
        for name in ("max_connections", "timeout", "socket_timeout"):
            options.pop(name, None)
        self._pool: Any = redis.asyncio.ConnectionPool(
            **{"socket_connect_timeout": SOCKET_TIMEOUT_SECONDS, **options},
            max_connections=MAX_WAITING,
            socket_timeout=None,  # `wait` has a limit of its own
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
        )
        self._redis: Any = redis.asyncio.Redis(connection_pool=self._pool)
        self._keys = keys

    async def wait(self, agent_id: str, after: bytes, seconds: float) -> None:
        """Returns once an inbox has an entry after a position, or when the time is over. Raises Unavailable."""
        with reaching_redis():
            try:
                async with asyncio.timeout(seconds + SOCKET_TIMEOUT_SECONDS):
                    streams = {self._keys.inbox(agent_id): after}
                    await self._redis.xread(streams, count=1, block=max(1, int(seconds * 1000)))
            except TimeoutError:
                raise redis.TimeoutError("no answer to a read that waits") from None
            except redis.ResponseError as error:
                if not str(error).startswith(("WRONGTYPE", "UNBLOCKED")):
                    raise  # otherwise the read that follows repairs the key

    async def close(self) -> None:
        """Closes all connections; those who wait get Unavailable."""
        await self._redis.aclose()
        await self._pool.disconnect()
