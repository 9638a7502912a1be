"""Opens PostgreSQL and Redis for a door that stays: the dashboard, or the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.embedded.servers import resolve
from taskyard.core.errors import Unavailable
from taskyard.core.i18n import msg
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.migrations import schema_state
from taskyard.core.postgres.store import recovery
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.published import PublishedTypes
from taskyard.core.task_types.registry import Registry, registry


@dataclass(frozen=True, slots=True)
class Servers:
    """The connections of one process to PostgreSQL and Redis, and the objects that read and write through them.

    `published` are the types that agents publish; None for a door that accepts only those of its own process.
    """

    settings: Settings
    redis_url: str
    database: Database
    broker: Broker
    cache: RedisCache
    registry: Registry
    published: PublishedTypes | None
    submitter: Submitter

    def close(self) -> None:
        """Closes every connection."""
        self.database.close()
        self.broker.redis.close()


def open_servers(
    settings: Settings, door: str, pool_size: int, *, clock: Clock | None = None, accepts_published: bool = False
) -> Servers:
    """Opens both servers and loads the task types; raises ConfigurationError, or Unavailable until both are there.

    `door` names this process in the sentence about a schema of another version. At most `pool_size` connections to
    PostgreSQL are open at the same time; `clock` says when submitted tasks are due (default: this host's).
    """
    endpoints = resolve(settings)
    schema = schema_state(endpoints.database_url)
    if not schema.is_usable:
        raise Unavailable(
            msg(
                "the database's schema is at version {version}, this {door} needs {newest}: "
                "a worker of the same release migrates it when it starts",
                version=schema.version or msg("none"),
                door=door,
                newest=schema.newest,
            )
        )
    types = registry.load(settings.task_modules)
    database = Database(endpoints.database_url, pool_size=pool_size)
    broker = Broker(connect_redis(endpoints.redis_url), settings.namespace, settings.placement_of)
    published = published_types(types, database) if accepts_published else None
    submitter = Submitter(settings, types, database, broker, clock, published)
    cache = RedisCache(broker.redis, broker.keys)
    return Servers(settings, endpoints.redis_url, database, broker, cache, types, published, submitter)


def published_types(local: Registry, database: Database) -> PublishedTypes:
    """Returns the types that registered agents publish, besides those of `local`."""
    return PublishedTypes(local, lambda: _known_types(database))


def _known_types(database: Database) -> list[dict[str, Any]]:
    """Returns what registered agents publish of their types, those of the newest boots last."""
    with database.transaction() as tx:
        return [known for _agent, types in recovery.known_types(tx) for known in types]
