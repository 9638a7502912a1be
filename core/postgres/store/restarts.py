"""Reads operators' restart requests that agents have not yet carried out."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from taskyard.core.postgres.database import Transaction, queries


class RestartAsked(NamedTuple):
    """A request to restart an agent's boot: who, why and when."""

    at: datetime
    actor: str
    reason: str


def restarts_asked(tx: Transaction) -> dict[str, RestartAsked]:
    """Returns by id the boots that were asked to restart in the last hour and are still present."""
    rows = tx.rows(queries("restarts")["restarts_asked"], {})
    return {id_: RestartAsked(at, actor, reason) for id_, at, actor, reason in rows}
