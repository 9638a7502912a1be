"""Reads the pools of agents: how many agents of each kind are wanted, by whom, and how many run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import pool_sizes
from taskyard.core.scheduling.pool_sizes import PoolSize
from taskyard.core.telemetry.live_snapshot import LiveSnapshot, PoolLive


@dataclass(frozen=True, slots=True)
class Pool:
    """The agents of one kind. `size` is what somebody chose instead of the pool file's number.

    `live` is what the pools say, None if none that runs has this kind, or no worker leads. `leaving_tasks` are by the
    number of agents that would stay: the tasks which those that leave then run.
    """

    kind: str
    size: PoolSize | None
    live: PoolLive | None
    leaving_tasks: Sequence[int] = ()

    def as_json(self) -> dict[str, Any]:
        """Returns it as commands and the API show it."""
        live, size = self.live, self.size
        chosen = None
        if size is not None:
            since = size.since.isoformat()
            chosen = {"count": size.count, "actor": size.actor, "reason": size.reason, "since": since}
        return {
            "kind": self.kind,
            "hosts": live.hosts if live else [],
            "slots": live.slots if live else None,
            "configured": live.configured if live else None,
            "wanted": self.wanted,
            "running": live.running if live else None,
            "starting": live.starting if live else None,
            "failing": live.failing if live else None,
            "absent": [msgspec.structs.asdict(one) for one in live.absent] if live else [],
            "leaving": live.leaving if live else None,
            "needed": live.needed if live else None,
            "is_fixed": live.is_fixed if live else False,
            "most": live.most if live else None,
            "chosen": chosen,
        }

    @property
    def wanted(self) -> int | None:
        """Returns how many agents should run; None if that is not known."""
        if self.live is not None and self.live.is_fixed:
            return self.live.wanted
        if self.size is not None:
            return self.size.count
        return self.live.configured if self.live is not None else None

    def tasks_of_leaving(self, count: int) -> int:
        """Returns how many tasks the agents run that leave if `count` agents stay."""
        return self.leaving_tasks[count] if count < len(self.leaving_tasks) else 0


def pools_now(tx: Transaction, snapshot: LiveSnapshot | None) -> list[Pool]:
    """Returns the pools by kind; raises Unavailable."""
    sizes = pool_sizes.pool_sizes(tx)
    live = {pool.kind: pool for pool in snapshot.pools} if snapshot else {}
    running = _running_by_kind(snapshot)
    return [
        Pool(kind, sizes.get(kind), live.get(kind), running.get(kind, ()))
        for kind in sorted(sizes.keys() | live.keys())
    ]


def _running_by_kind(snapshot: LiveSnapshot | None) -> Mapping[str, Sequence[int]]:
    """Returns by kind, for each number of agents that stay, how many tasks the others run: the last numbers leave."""
    counts: dict[str, list[tuple[int, int]]] = {}
    for agent in snapshot.agents if snapshot else ():
        number = agent.name.removeprefix(f"{agent.kind}-")
        if agent.state != "draining" and number.isdecimal():
            counts.setdefault(agent.kind, []).append((int(number), agent.running))
    return {
        kind: [sum(running for _number, running in sorted(found)[stay:]) for stay in range(len(found) + 1)]
        for kind, found in counts.items()
    }
