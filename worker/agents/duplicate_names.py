"""Warns a pool if agents elsewhere use its agents' names: a hold or restart by name affects all of them.

The leader's view decides, so that a predecessor whose last heartbeat is still valid does not count for long.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Set

import structlog

from taskyard.core.errors import Unavailable
from taskyard.core.redis.agent_side import AgentSide
from taskyard.core.redis.cache import RedisCache
from taskyard.core.telemetry.live_snapshot import read_live

CHECK_SECONDS = 15.0

log = structlog.get_logger(__name__)


class DuplicateNames:
    """Holds what one pool has seen of namesakes."""

    def __init__(self, broker: AgentSide) -> None:
        self._cache = RedisCache(broker.redis, broker.keys)
        self._seen: frozenset[str] = frozenset()
        self._reported: set[str] = set()
        self._check_at = time.monotonic() + CHECK_SECONDS

    def check(self, own: Mapping[str, str], started: Set[str]) -> None:
        """Logs once each agent that has one of the names `own` (with the id of the own boot) at two checks in a
        row.

        `started` are the ids of all boots that this pool ever started. Does nothing until the next check is due.
        """
        if time.monotonic() < self._check_at:
            return
        self._check_at = time.monotonic() + CHECK_SECONDS
        try:
            live = read_live(self._cache)
        except Unavailable:
            return  # it is checked again
        others = (
            {agent.id: agent for agent in live.agents if agent.name in own and agent.id not in started} if live else {}
        )
        for id_ in sorted((self._seen & others.keys()) - self._reported):
            other = others[id_]
            self._reported.add(id_)
            log.warning(
                "agent.name_used_twice",
                agent=own[other.name],
                other=id_,
                host=other.host,
                hint="a hold or restart by name affects both: give one pool other names",
            )
        self._seen = frozenset(others)
