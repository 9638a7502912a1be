"""Starts PostgreSQL and Redis from their wheels where no URL is configured.

Both listen on Unix sockets only and keep their data under the data directory. They run in their own sessions, so
that Ctrl-C in a terminal does not reach them. Several processes may use the same data directory: each holds a
shared lock on `servers.lock`, and the last to leave stops the servers.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from taskyard.core.config import Settings
from taskyard.core.embedded.postgres import PostgresServer
from taskyard.core.embedded.redis import RedisServer
from taskyard.core.errors import Unavailable
from taskyard.core.i18n import msg


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The servers' URLs. They contain passwords, so they are not printed."""

    database_url: str
    redis_url: str

    def __repr__(self) -> str:
        return "Endpoints(…)"


class EmbeddedServers:
    """The servers of a data directory; several processes may call `start` and `stop` at once.

    `durable=False` turns fsync off, for tests only. A server with a configured URL is not started.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True, postgres: bool = True, redis: bool = True) -> None:
        self._folder = data_dir.expanduser().absolute()
        self._postgres = PostgresServer(self._folder, durable=durable)
        self._redis = RedisServer(self._folder)
        self._wanted = [server for server, wanted in ((self._postgres, postgres), (self._redis, redis)) if wanted]
        self._use: int | None = None  # the file that holds this user's shared lock

    @classmethod
    def missing_from(cls, settings: Settings) -> Self:
        """Returns the servers for which the settings name no URL."""
        return cls(settings.data_dir, postgres=settings.database_url is None, redis=settings.redis_url is None)

    @property
    def database_url(self) -> str:
        """Returns the URL of the database `taskyard`, for SQLAlchemy with psycopg2."""
        return self._postgres.url

    @property
    def redis_url(self) -> str:
        return self._redis.url

    def start(self) -> Self:
        """Starts or adopts the servers; a later call restarts those that have died. Raises Unavailable."""
        if not self._wanted:
            return self
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._one_at_a_time():
                if self._use is None:
                    self._use = os.open(self._folder / "servers.lock", os.O_RDWR | os.O_CREAT, 0o600)
                    fcntl.flock(self._use, fcntl.LOCK_SH)
                for server in self._wanted:
                    server.start()
        except OSError as error:
            self.stop()
            raise Unavailable(
                msg("the embedded servers can't start under {folder}: {reason}", folder=self._folder, reason=str(error))
            ) from error
        except BaseException:
            self.stop()
            raise
        return self

    def keep(self) -> list[str]:
        """Restarts servers that have died and returns their names; running ones are left alone.

        Raises Unavailable if one does not start.
        """
        dead = [server for server in reversed(self._wanted) if not server.answers()]  # Redis is quicker to start
        if not dead:
            return []  # the folder may not exist: both servers may be external
        restarted = []
        with self._one_at_a_time():
            for server in dead:
                server.start()
                restarted.append(type(server).__name__.removesuffix("Server"))
        return restarted

    def stop(self) -> None:
        """Ends this process's use of the servers, and stops them if it was the last user. Others' servers are left
        alone.
        """
        if not self._wanted or not self._folder.is_dir():
            return
        with self._one_at_a_time():
            if self._use is not None:
                os.close(self._use)
                self._use = None
            if self._is_unused():
                for server in reversed(self._wanted):
                    server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        file = os.open(self._folder / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def _is_unused(self) -> bool:
        file = os.open(self._folder / "servers.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            return False
        finally:
            os.close(file)


def running_urls(data_dir: Path) -> tuple[str | None, str | None]:
    """Returns the URLs of PostgreSQL and Redis under `data_dir`; None for one that does not answer now."""
    folder = data_dir.expanduser().absolute()
    postgres, redis = PostgresServer(folder), RedisServer(folder)
    return postgres.url if postgres.answers() else None, redis.url if redis.answers() else None


def resolve(settings: Settings) -> Endpoints:
    """Returns the configured URLs, and those of running embedded servers where none is configured.

    Raises Unavailable if an embedded server is needed and not running.
    """
    if settings.database_url and settings.redis_url:
        return Endpoints(settings.database_url, settings.redis_url)
    running_database, running_redis = running_urls(settings.data_dir)
    database_url, redis_url = settings.database_url or running_database, settings.redis_url or running_redis
    if not (database_url and redis_url):
        raise Unavailable(
            msg(
                "no server is running under {data_dir}: start one with `taskyard run`, "
                "or set TASKYARD_DATABASE_URL and TASKYARD_REDIS_URL",
                data_dir=settings.data_dir,
            )
        )
    return Endpoints(database_url, redis_url)
