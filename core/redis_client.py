"""How every part of Taskyard talks to Redis: one way to connect, one error when it is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.errors import ConfigurationError, Unavailable
from core.texts import said

SOCKET_TIMEOUT_SECONDS = 5.0
MAX_BLOCK_SECONDS = 2.0  # a blocking read must return well before its socket times out
POOL_SIZE = 50
POOL_TIMEOUT_SECONDS = 5.0
HEALTH_CHECK_SECONDS = 15

# A full or read-only server can't accept the operation either, and may again later.
_UNAVAILABLE = (redis.ConnectionError, redis.TimeoutError, redis.OutOfMemoryError, redis.ReadOnlyError)


def connect_redis(url: str) -> redis.Redis:
    """A client with a pool of at most POOL_SIZE connections; connects when it is first used.

    Replies are bytes in RESP2 shapes, which Redis 5 speaks too. Commands are never repeated
    behind the caller's back: an XADD whose answer was lost would be there twice. A pooled
    connection that the server closed is replaced before a command is sent on it. Raises
    ConfigurationError if the URL makes no sense.
    """
    try:
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=POOL_SIZE,
            timeout=POOL_TIMEOUT_SECONDS,
            protocol=2,
            decode_responses=False,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
            health_check_interval=HEALTH_CHECK_SECONDS,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
        )
    except ValueError as error:
        raise ConfigurationError([said("the Redis URL is not accepted: {reason}", reason=str(error))]) from None
    return redis.Redis.from_pool(pool)


@contextmanager
def reaching_redis() -> Iterator[None]:
    """Turns redis-py's errors for a server that is away, full or read-only into Unavailable."""
    try:
        yield
    except _UNAVAILABLE as error:
        raise Unavailable(said("Redis can't be used: {reason}", reason=str(error))) from error
    except redis.ResponseError as error:
        if "OOM command not allowed" in str(error):  # inside a script it has another class
            raise Unavailable(said("Redis can't be used: {reason}", reason=str(error))) from error
        raise
