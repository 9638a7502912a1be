"""Begins and ends second attempts beside stragglers, in the dispatcher's tick (P22)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.tick import Claimed, Completion


class NewHedge(NamedTuple):
    """A second attempt to begin on an agent, beside an attempt; `detail` of its event is JSON text."""

    id: str
    beside: int
    agent_id: str
    detail: str


class Dropped(NamedTuple):
    """A second attempt that no longer counts, and why."""

    id: str
    attempt: int
    agent_id: str
    reason: str


class Promoted(NamedTuple):
    """A task whose second attempt became the current one: the attempt that it was beside, and who has that."""

    id: str
    beside: int
    agent_id: str


def hedge(tx: Transaction, wanted: Sequence[NewHedge]) -> list[Claimed]:
    """Begins second attempts; only the returned ones exist, under their own numbers."""
    ids, besides, agents, details = zip(*wanted, strict=True)
    parameters = {
        "ids": plain(ids),
        "attempts": plain(besides),
        "agents": quoted(agents),
        "details": quoted(details),
    }
    return [Claimed._make(row) for row in tx.rows(queries("tick")["hedge"], parameters)]


def promote(tx: Transaction, won: Sequence[Completion]) -> list[Promoted]:
    """Makes second attempts that succeeded the current ones; returns which are now."""
    parameters = {
        "ids": plain(one.id for one in won),
        "besides": plain(one.beside for one in won),
        "attempts": plain(one.attempt for one in won),
    }
    return [Promoted._make(row) for row in tx.rows(queries("tick")["promote"], parameters)]


def drop(tx: Transaction, dropped: Sequence[Dropped]) -> None:
    """Records that second attempts no longer count."""
    ids, attempts, agents, reasons = zip(*dropped, strict=True)
    parameters = {
        "ids": plain(ids),
        "attempts": plain(attempts),
        "agents": quoted(agents),
        "reasons": quoted(reasons),
    }
    tx.rows(queries("tick")["drop_hedges"], parameters)
