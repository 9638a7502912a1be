"""Drops reports of newer agents, as far as an actor may: their tasks run again."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import kept_reports


def drop_kept(tx: Transaction, actor: Actor, ids: Sequence[int], reason: str) -> list[int]:
    """Drops reports, each with an audit row; returns which were there. Raises NotPermitted."""
    actor.require(Permission.TASK_OPERATE, queue=EVERY, type_=EVERY)
    return kept_reports.drop(tx, ids, actor.name, reason)
