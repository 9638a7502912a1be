"""Holds the connections of one API process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from taskyard.api.submissions import Submissions
from taskyard.core.config import Settings
from taskyard.core.embedded.servers import resolve
from taskyard.core.errors import Unavailable
from taskyard.core.i18n import msg
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.migrations import migration_state
from taskyard.core.postgres.store import recovery
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.published import PublishedTypes
from taskyard.core.task_types.registry import Registry, registry

POOL_SIZE = 20  # connections to PostgreSQL; requests beyond that wait


@dataclass(frozen=True, slots=True)
class Services:
    """The connections to PostgreSQL and Redis, and the objects that read and write through them."""

    settings: Settings
    redis_url: str
    database: Database
    broker: Broker
    cache: RedisCache
    registry: Registry
    published: PublishedTypes
    submitter: Submitter
    submissions: Submissions

    def close(self) -> None:
        """Closes every connection."""
        self.database.close()
        self.broker.redis.close()


def open_services(settings: Settings) -> Services:
    """Opens both servers and loads the task types; raises ConfigurationError or Unavailable."""
    endpoints = resolve(settings)
    version, newest = migration_state(endpoints.database_url)
    if version != newest:
        raise Unavailable(
            msg(
                "the database's schema is at version {version}, this API needs {newest}: "
                "a worker of the same release migrates it when it starts",
                version=version or msg("none"),
                newest=newest,
            )
        )
    types = registry.load(settings.task_modules)
    database = Database(endpoints.database_url, pool_size=POOL_SIZE)
    broker = Broker(connect_redis(endpoints.redis_url), settings.namespace, settings.placement_of)
    published = PublishedTypes(types, lambda: _published(database))
    submitter = Submitter(settings, types, database, broker, published=published)
    cache = RedisCache(broker.redis, broker.keys)
    return Services(
        settings, endpoints.redis_url, database, broker, cache, types, published, submitter, Submissions(submitter)
    )


def _published(database: Database) -> list[dict[str, Any]]:
    """Returns what registered agents publish of their types, those of the newest boots last."""
    with database.transaction() as tx:
        return [known for _agent, types in recovery.known_types(tx) for known in types]
