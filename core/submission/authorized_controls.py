"""Holds queues, task types and agents, restarts agents, scales pools and keeps filters, as far as an actor may.

Everything raises NotPermitted in addition to the errors of what it calls.
"""

from __future__ import annotations

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.database import Database, Transaction
from taskyard.core.postgres.store import holds, saved_filters
from taskyard.core.redis.pools import Pools
from taskyard.core.redis.ports import SubmitterPort
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission import agent_commands, pool_commands


def hold(tx: Transaction, actor: Actor, kind: HoldKind, name: str, mode: HoldMode, reason: str) -> bool:
    """See core.postgres.store.holds."""
    _check_held(actor, kind, name)
    return holds.hold(tx, kind, name, mode, actor.name, reason)


def release(tx: Transaction, actor: Actor, kind: HoldKind, name: str, reason: str) -> bool:
    """See core.postgres.store.holds."""
    _check_held(actor, kind, name)
    return holds.release(tx, kind, name, actor.name, reason)


def restart_agent(database: Database, broker: SubmitterPort, actor: Actor, name: str, reason: str) -> list[str]:
    """See core.submission.agent_commands."""
    _check_held(actor, HoldKind.AGENT, name)
    return agent_commands.restart_agent(database, broker, name, actor.name, reason)


def scale_pool(tx: Transaction, pools: Pools, actor: Actor, kind: str, count: int, reason: str) -> bool:
    """See core.submission.pool_commands."""
    _check_held(actor, HoldKind.AGENT, kind)
    return pool_commands.scale_pool(tx, pools, kind, count, actor.name, reason)


def reset_pool(tx: Transaction, actor: Actor, kind: str, reason: str) -> bool:
    """See core.submission.pool_commands."""
    _check_held(actor, HoldKind.AGENT, kind)
    return pool_commands.reset_pool(tx, kind, actor.name, reason)


def save_filter(tx: Transaction, actor: Actor, name: str, only: TaskFilter, *, overwrite: bool = False) -> None:
    """See core.postgres.store.saved_filters; everybody sees them, so operators keep them."""
    actor.require(Permission.TASK_OPERATE)
    saved_filters.save_filter(tx, name, only, actor.name, overwrite=overwrite)


def delete_filter(tx: Transaction, actor: Actor, name: str) -> bool:
    """See core.postgres.store.saved_filters."""
    actor.require(Permission.TASK_OPERATE)
    return saved_filters.delete_filter(tx, name, actor.name)


def _check_held(actor: Actor, kind: HoldKind, name: str) -> None:
    """Raises NotPermitted; a queue may have tasks of all types, a type tasks in all queues, an agent both."""
    if kind is HoldKind.AGENT:
        actor.require(Permission.AGENT_CONTROL, queue=EVERY, type_=EVERY)
    elif kind is HoldKind.QUEUE:
        actor.require(Permission.QUEUE_HOLD, queue=name, type_=EVERY)
    else:
        actor.require(Permission.QUEUE_HOLD, queue=EVERY, type_=name)
