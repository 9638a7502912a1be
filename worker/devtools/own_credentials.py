"""Gives agents of a measurement or a proof credentials of their own."""

from __future__ import annotations

from collections.abc import Iterable

from taskyard.core.access.agent_user import url_of_user
from taskyard.core.access.identity import local_actor
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import recovery
from taskyard.core.redis.broker import Broker
from taskyard.core.submission import authorized_access


def own_urls(database: Database, broker: Broker, redis_url: str, names: Iterable[str]) -> list[str]:
    """Returns a Redis URL for each agent: credentials as `taskyard access agent` gives them, users as a leader does."""
    urls = []
    with database.transaction() as tx:
        for name in names:
            password, _ = authorized_access.admit_agent(tx, local_actor(), name)
            urls.append(url_of_user(redis_url, broker.keys.agent_user(name), password))
        users = recovery.agent_users(tx)
    broker.agent_users.enforce({user.name: user for user in users})
    return urls
