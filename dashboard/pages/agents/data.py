"""Reads the data of the Agents page."""

from __future__ import annotations

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
)
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading, live, shared

__all__ = ["GONE_WITHIN", "Agent", "AgentUsage", "AgentsNow", "Record", "Records", "overall"]

HOUR_SECONDS = 3600


@shared()
def now(servers: Servers) -> AgentsNow:
    """Returns the agents as of now."""
    snapshot = live(servers)
    with servers.database.transaction() as tx:
        return agents_now(tx, snapshot)


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


@shared(ttl_seconds=60.0)
def task_types(servers: Servers) -> tuple[str, ...]:
    """Returns the names of the registered task types."""
    return tuple(sorted(servers.registry.types))


def _read_records(servers: Servers, range_seconds: int) -> Records:
    with servers.database.transaction() as tx:
        return agent_records(tx, base.now().timestamp(), range_seconds)


def _read_usage(servers: Servers, name: str, range_seconds: int) -> AgentUsage:
    with servers.database.transaction() as tx:
        return agent_usage(tx, name, base.now().timestamp(), range_seconds)


_records_fast = shared(ttl_seconds=5.0)(_read_records)
_records_slow = shared(ttl_seconds=30.0)(_read_records)
_usage_fast = shared(ttl_seconds=5.0)(_read_usage)
_usage_slow = shared(ttl_seconds=30.0)(_read_usage)
