"""Implements viewers' commands to queues, task types and agents."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from taskyard.core.access.identity import Actor
from taskyard.core.payload.typed_text import checked
from taskyard.core.redis.pools import Pools
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission.authorized_controls import hold, release, reset_pool, restart_agent, scale_pool
from taskyard.dashboard.data.base import connections, forget
from taskyard.dashboard.data.viewer import actor


class Action(StrEnum):
    """`RESTART` is for agents only."""

    PAUSE = "pause"
    DRAIN = "drain"
    RESUME = "resume"
    RESTART = "restart"


_MODES = {Action.PAUSE: HoldMode.PAUSED, Action.DRAIN: HoldMode.DRAINING}


def act(kind: HoldKind, action: Action, names: Sequence[str], reason: str) -> int:
    """Executes it, with an audit row for each name that it changed; returns how many these are.

    All of the names are held or released, or none; agents are asked to restart one after the other. Raises
    SubmissionError for an invalid reason or an unknown name, NotPermitted, and Unavailable.
    """
    why = checked("reason", reason, is_required=action is not Action.RESUME)
    who = actor()
    try:
        if action is Action.RESTART:
            return _restart(who, sorted(set(names)), why)
        with connections().database.transaction() as tx:
            if action is Action.RESUME:
                return sum(release(tx, who, kind, name, why) for name in sorted(set(names)))
            return sum(hold(tx, who, kind, name, _MODES[action], why) for name in sorted(set(names)))
    finally:
        forget()


def scale(kind: str, count: int | None, reason: str) -> bool:
    """Says how many agents of a kind run, or with None that the pool file says it; returns False if it is so already.

    Raises SubmissionError for an invalid reason, kind or number, NotPermitted, and Unavailable.
    """
    why, who, servers = checked("reason", reason), actor(), connections()
    try:
        with servers.database.transaction() as tx:
            if count is None:
                return reset_pool(tx, who, kind, why)
            return scale_pool(tx, Pools(servers.broker.redis, servers.broker.keys), who, kind, count, why)
    finally:
        forget()


def _restart(who: Actor, names: Sequence[str], reason: str) -> int:
    servers = connections()
    for name in names:
        restart_agent(servers.database, servers.broker, who, name, reason)
    return len(names)
