"""Agents with credentials of their own, in Redis."""

from __future__ import annotations

from typing import Any

import redis

from taskyard.core.protocol import AgentInfo
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.own_agent import agent_side
from tests.engine import Engine, InlineAgent, RunningAgent
from tests.servers import wait_until


def is_let_in(url: str) -> bool:
    """Whether Redis accepts the user of a URL."""
    with connect_redis(url) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def start_own_agent(engine: Engine, url: str, about: AgentInfo) -> RunningAgent:
    """Starts an agent by a URL of its own, and waits until it is welcomed; the caller stops it."""
    sides: list[Any] = [agent_side(url, engine.settings.namespace, engine.settings.placement_of) for _ in range(2)]
    agent = RunningAgent(InlineAgent(about, *sides, engine.settings, engine.registry), [one.redis for one in sides])
    wait_until(agent.agent.welcomed.is_set, message="the agent was not welcomed")
    return agent


def delete_users(redis_url: str, namespace: str) -> None:
    """Deletes the users of a namespace, which are the server's and outlive its keys."""
    with connect_redis(redis_url) as client:
        for user in client.acl_users():
            if user.startswith(Keys(namespace).prefix):
                client.acl_deluser(user)
