"""Connects every part of Taskyard to Redis, with one error when it is away or temporarily unable to answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from redis.backoff import NoBackoff
from redis.client import Redis
from redis.connection import BlockingConnectionPool, Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import RedisError
from redis.retry import Retry

from taskyard.core.connection_era import Era
from taskyard.core.errors import ConfigurationError, Unavailable
from taskyard.core.i18n import msg
from taskyard.core.redis.direct import Direct
from taskyard.core.redis.errors import has_turned, is_transient
from taskyard.core.redis.url import connection_options

# redis-py annotates every answer for each setting of a client at once, bytes or texts; ours always gives bytes.
Client: TypeAlias = Any

SOCKET_TIMEOUT_SECONDS = 5.0
MAX_BLOCK_SECONDS = 2.0  # a blocking read must return well before its socket times out
POOL_SIZE = 50
POOL_TIMEOUT_SECONDS = 5.0
HEALTH_CHECK_SECONDS = 15


class _Dated(Direct):
    """A connection that records the era it was made in, and reconnects once that has ended."""

    def __init__(self, *arguments: Any, era: Era, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._era = era
        self._made_in = era.number
        self._is_ready = False

    @property
    def is_outdated(self) -> bool:
        """Returns True if the server behind the connection has changed since it was made."""
        return self._made_in != self._era.number

    def connect_check_health(self, *arguments: Any, **options: Any) -> None:
        if self.is_connected and self.is_outdated:  # type: ignore[attr-defined]
            self.disconnect()  # type: ignore[attr-defined]
        if not self.is_connected:  # type: ignore[attr-defined]
            self._made_in, self._is_ready = self._era.number, False
            self.forget_answers()
            super().connect_check_health(*arguments, **options)  # type: ignore[misc]
            self._is_ready = True

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().read_response(*arguments, **options)  # type: ignore[misc]
        except RedisError as error:
            self._heed(error)
            raise

    def answer(self) -> Any:
        try:
            return super().answer()
        except RedisError as error:
            self._heed(error)
            raise

    def _heed(self, error: RedisError) -> None:
        if self._is_ready and has_turned(error):
            self._era.end(self._made_in)
            self.disconnect()  # type: ignore[attr-defined]


class _TcpConnection(_Dated, Connection):
    pass


class _TlsConnection(_Dated, SSLConnection):
    pass


class _UnixConnection(_Dated, UnixDomainSocketConnection):
    pass


_CLASSES = {
    Connection: _TcpConnection,
    SSLConnection: _TlsConnection,
    UnixDomainSocketConnection: _UnixConnection,
}


def connect_redis(url: str) -> Client:
    """Returns a client with a pool of at most POOL_SIZE connections; connects on first use.

    Replies are bytes in RESP2 shapes, which Redis 5 speaks too. Commands are never repeated implicitly: an XADD
    whose answer was lost would be stored twice. A pooled connection that the server closed is replaced before a
    command is sent on it; so are all that were made before the server's role changed (a replica, another cluster's
    node, a new password). Raises ConfigurationError for an invalid URL.
    """
    try:
        options = connection_options(url)
    except ValueError as error:
        text = msg("the Redis URL is not accepted: {reason}", reason=error.args[0])
        raise ConfigurationError([text]) from None
    defaults = {
        "max_connections": POOL_SIZE,
        "timeout": POOL_TIMEOUT_SECONDS,
        "socket_timeout": SOCKET_TIMEOUT_SECONDS,
        "socket_connect_timeout": SOCKET_TIMEOUT_SECONDS,
        "health_check_interval": HEALTH_CHECK_SECONDS,
    }
    pool = BlockingConnectionPool(  # type: ignore[no-untyped-call]
        **{**defaults, **options, "connection_class": _CLASSES[options["connection_class"]]},
        protocol=2,
        decode_responses=False,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,
        era=Era(),
    )
    return Redis.from_pool(pool)


@contextmanager
def reaching_redis() -> Iterator[None]:
    """Turns redis-py's errors for an absent or temporarily unable server into Unavailable."""
    try:
        yield
    except RedisError as error:
        if not is_transient(error):
            raise
        raise Unavailable(msg("Redis can't be used: {reason}", reason=str(error))) from error
