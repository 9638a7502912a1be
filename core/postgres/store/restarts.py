"""What operators asked of agents, as far as it is still to be done."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from taskyard.core.postgres.database import Transaction, queries


class RestartAsked(NamedTuple):
    """Who asked a boot of an agent to restart, why and when."""

    at: datetime
    actor: str
    reason: str


def restarts_asked(tx: Transaction) -> dict[str, RestartAsked]:
    """By id: the boots that were asked to restart in the last hour and are still there."""
    rows = tx.rows(queries("restarts")["restarts_asked"], {})
    return {id_: RestartAsked(at, actor, reason) for id_, at, actor, reason in rows}
