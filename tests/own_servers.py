"""An engine on servers of its own, for tests that kill or freeze them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from taskyard.core.config import load_settings
from taskyard.core.embedded.postgres import PostgresServer
from taskyard.core.embedded.redis import RedisServer
from taskyard.core.postgres.migrations import migrate
from taskyard.core.redis.connection import connect_redis
from taskyard.core.task_types.registry import Registry
from tests.engine import Engine, running_engine


class OwnServers:
    """A PostgreSQL and a Redis under one folder, running."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._postgres, self._redis = PostgresServer(folder), RedisServer(folder)
        self._postgres.start()
        self._redis.start()
        self.database_url, self.redis_url = self._postgres.url, self._redis.url
        migrate(self.database_url)

    def redis_processes(self) -> list[psutil.Process]:
        with connect_redis(self.redis_url) as client:
            return [psutil.Process(int(client.info("server")["process_id"]))]

    def postgres_processes(self) -> list[psutil.Process]:
        """The postmaster and its backends."""
        postmaster = psutil.Process(int((self._folder / "postgres" / "postmaster.pid").read_text().split()[0]))
        return [postmaster, *postmaster.children()]

    def restart(self) -> None:
        """Starts what is dead again."""
        self._postgres.start()
        self._redis.start()

    def stop(self) -> None:
        self._redis.stop()
        self._postgres.stop()


@contextmanager
def own_engine(folder: Path, types: Registry | None = None, **options: object) -> Iterator[tuple[Engine, OwnServers]]:
    """An engine and its servers; with these types, or with demo.echo alone. `options` are settings."""
    folder.mkdir(parents=True)
    servers = OwnServers(folder)
    try:
        urls = {"database_url": servers.database_url, "redis_url": servers.redis_url}
        with running_engine(load_settings(**urls, data_dir=folder, **options), types) as engine:
            if types is None:
                engine.define("demo.echo", lambda given, context: given)
            yield engine, servers
    finally:
        servers.stop()
