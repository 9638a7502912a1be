"""How each queue does; see core.queue_figures."""

from __future__ import annotations

import math

from core.config import Settings
from core.database import Transaction, queries
from core.queue_figures import WINDOWS_MINUTES, Counted, QueueFigures, Rates, figures
from core.store import holding
from core.store.rolling import MINUTE


def queue_figures(tx: Transaction, live: Counted | None, settings: Settings, now: float) -> list[QueueFigures]:
    """Every queue that is known, by name; `now` in epoch seconds, `live` None if nothing was counted."""
    held, rates = holding.holds(tx), queue_rates(tx, now)
    return figures(live, rates, held, settings.placement_of, settings.placement_by_queue)


def queue_rates(tx: Transaction, now: float) -> dict[str, dict[int, Rates]]:
    """By queue and by minutes of the window: rates over the last whole minutes before `now` (epoch seconds).

    Queues without any in the longest window are left out.
    """
    until = math.floor(now / MINUTE) * MINUTE
    parameters = {"windows": list(WINDOWS_MINUTES), "until": until}
    found: dict[str, dict[int, Rates]] = {}
    for queue, minutes, arrived, completed, ended in tx.rows(queries("metrics")["queue_counts"], parameters):
        found.setdefault(queue, {})[minutes] = Rates(arrived / minutes, completed / minutes, ended / minutes)
    return found
