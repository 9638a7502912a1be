"""Reads how agents differ."""

from __future__ import annotations

from dataclasses import dataclass

from taskyard.core.access.identity import Actor
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views.agent_differences import MAX_AGENTS, MAX_TYPES, AgentAtType, AgentMap, agent_map_of
from taskyard.core.views.seeing import sees_all_queues
from taskyard.dashboard.data import base
from taskyard.dashboard.data.readings import seen
from taskyard.dashboard.data.viewer import viewer

__all__ = ["MAX_AGENTS", "MAX_TYPES", "AgentAtType", "AgentMap", "Differences", "differences", "sees_differences"]


@dataclass(frozen=True, slots=True)
class Differences:
    """How the agents differ that are there now; None if nobody leads or the viewer does not see all queues."""

    found: AgentMap | None


@seen(ttl_seconds=10.0)
def differences(servers: Servers, sight: Actor) -> Differences:
    """Returns how the agents differ that are there now."""
    live = base.live(servers)
    if live is None:
        return Differences(None)
    with servers.database.transaction() as tx:
        return Differences(agent_map_of(tx, sight, {agent.name for agent in live.agents}))


def sees_differences() -> bool:
    """Returns True if the viewer may see how agents differ: runs are not counted by queue."""
    return sees_all_queues(viewer())
