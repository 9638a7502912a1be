"""How many tasks came into each queue and left it in the last minutes."""

from __future__ import annotations

from core.database import Transaction, queries
from core.flow import WINDOWS_MINUTES, Flow, flow_of
from core.store import rolling
from core.store.rolling import MINUTE

STALE_SECONDS = 180.0


def queue_flows(tx: Transaction, now: float) -> dict[str, Flow] | None:
    """By queue, of the last full minutes before `now` (epoch seconds); None if nobody has counted them."""
    until = min(now, rolling.levels(tx).get(MINUTE, 0.0)) // MINUTE * MINUTE
    if now - until > STALE_SECONDS:
        return None
    since = until - max(WINDOWS_MINUTES) * MINUTE
    minutes: dict[str, list[tuple[float, int, int]]] = {}
    for queue, at, arrived, ended in tx.rows(queries("flow")["queue_minutes"], {"since": since, "until": until}):
        minutes.setdefault(queue, []).append((at, arrived, ended))
    return {queue: flow_of(counts, until) for queue, counts in minutes.items()}
