"""Begins and ends second attempts beside stragglers, in the dispatcher's tick (P22)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.tick import Claimed, Completion, Settlement


class NewHedge(NamedTuple):
    """A second attempt to begin on an agent, beside an attempt; `detail` of its event is JSON text."""

    id: str
    beside: int
    agent_id: str
    detail: str


class Dropped(NamedTuple):
    """A second attempt that no longer counts, and why (None: since the attempt beside it has ended)."""

    id: str
    attempt: int
    agent_id: str
    reason: str | None


@dataclass(slots=True)
class Takeover:
    """The end of an attempt without a result, and the second attempt that goes on instead of it, on agent `agent_id`.

    `started_at` is when that one started, in epoch seconds; None: it has not, as far as is known.
    """

    end: Settlement
    attempt: int
    agent_id: str
    started_at: float | None

    @property
    def id(self) -> str:
        return self.end.id


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


def take_over(tx: Transaction, takeovers: Sequence[Takeover]) -> set[str]:
    """Makes second attempts the current ones whose first ones have ended; returns the ids of their tasks."""
    ends = [one.end for one in takeovers]
    parameters = {
        "ids": plain(end.id for end in ends),
        "besides": plain(end.attempt for end in ends),
        "attempts": plain(one.attempt for one in takeovers),
        "agents": quoted(end.agent_id for end in ends),
        "events": plain(end.event for end in ends),
        "details": quoted(end.detail for end in ends),
        "errors": quoted(end.error for end in ends),
        "started": plain(end.started_at for end in ends),
        "seconds": plain(one.started_at for one in takeovers),
        "run_seconds": plain(end.run_seconds for end in ends),
        "cpu_seconds": plain(end.cpu_seconds for end in ends),
        "peaks": plain(end.peak_memory_bytes for end in ends),
    }
    return {row[0] for row in tx.rows(queries("tick")["take_over"], parameters)}


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
