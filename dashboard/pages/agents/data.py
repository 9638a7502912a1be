"""Reads the data of the Agents page."""

from __future__ import annotations

from dataclasses import replace

from taskyard.core.access.identity import Actor
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views.agents import (
    GONE_WITHIN,
    Agent,
    AgentsNow,
    AgentUsage,
    Record,
    Records,
    agent_records,
    agent_usage,
    agents_now,
    overall,
    slower_types,
)
from taskyard.core.views.narrowing import seen_agents
from taskyard.core.views.pools import Pool, pools_now
from taskyard.core.views.seeing import sees_all_queues, sees_type
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading, live
from taskyard.dashboard.data.readings import seen

__all__ = ["GONE_WITHIN", "Agent", "AgentUsage", "AgentsNow", "Pool", "Record", "Records", "overall", "slower_types"]

HOUR_SECONDS = 3600


@seen()
def now(servers: Servers, sight: Actor) -> AgentsNow:
    """Returns the agents as of now, with those of their tasks that the viewer sees."""
    snapshot = live(servers)
    with servers.database.transaction() as tx:
        return seen_agents(tx, sight, agents_now(tx, snapshot))


@seen()
def pools(servers: Servers, sight: Actor) -> list[Pool]:
    """Returns the pools of agents by kind."""
    snapshot = live(servers)
    with servers.database.transaction() as tx:
        return pools_now(tx, snapshot)


def now_and_records(range_seconds: int) -> Reading[tuple[AgentsNow, Records]]:
    """Returns the agents as of now, and their results over a range until now."""
    current, past = now(), records(range_seconds)
    if current.value is None or past.value is None:
        return Reading(None, current.at, current.problems or past.problems)
    return Reading((current.value, past.value), current.at)


def records(range_seconds: int) -> Reading[Records]:
    """Returns results by agent and type over a range until now. Longer ranges are shared for longer."""
    return _records_fast(range_seconds) if range_seconds <= HOUR_SECONDS else _records_slow(range_seconds)


def usage(name: str, range_seconds: int) -> Reading[AgentUsage]:
    """Returns an agent's resource usage over a range until now."""
    return _usage_fast(name, range_seconds) if range_seconds <= HOUR_SECONDS else _usage_slow(name, range_seconds)


@seen(ttl_seconds=60.0)
def task_types(servers: Servers, sight: Actor) -> tuple[str, ...]:
    """Returns the names of the registered task types that the viewer sees."""
    return tuple(name for name in sorted(servers.registry.types) if sees_type(sight, name))


def _read_records(servers: Servers, sight: Actor, range_seconds: int) -> Records:
    """Returns results by type; they are not known by queue, so those who do not see all queues get none."""
    if not sees_all_queues(sight):
        return {}
    with servers.database.transaction() as tx:
        found = agent_records(tx, base.now().timestamp(), range_seconds)
    return {
        name: {type_: record for type_, record in by_type.items() if sees_type(sight, type_)}
        for name, by_type in found.items()
    }


def _read_usage(servers: Servers, sight: Actor, name: str, range_seconds: int) -> AgentUsage:
    with servers.database.transaction() as tx:
        found = agent_usage(tx, name, base.now().timestamp(), range_seconds)
    return replace(found, load_ratio=[None] * len(found.at)) if sight.is_narrowed else found


_records_fast = seen(ttl_seconds=5.0)(_read_records)
_records_slow = seen(ttl_seconds=30.0)(_read_records)
_usage_fast = seen(ttl_seconds=5.0)(_read_usage)
_usage_slow = seen(ttl_seconds=30.0)(_read_usage)
