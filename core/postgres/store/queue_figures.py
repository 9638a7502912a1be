"""Reads each queue's figures; see core.telemetry.queue_figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import holds
from taskyard.core.postgres.store.rollups import MINUTE
from taskyard.core.telemetry.queue_figures import WINDOWS_MINUTES, Counted, QueueFigures, Rates, figures


def queue_figures(
    tx: Transaction,
    live: Counted | None,
    placement_of: Callable[[str], str],
    placement_by_queue: Mapping[str, str],
    now: float,
) -> list[QueueFigures]:
    """Returns every known queue by name; `now` in epoch seconds, `live` None if nothing was counted."""
    held, rates = holds.holds(tx), queue_rates(tx, now)
    return figures(live, rates, held, placement_of, placement_by_queue)


def queue_rates(tx: Transaction, now: float) -> dict[str, dict[int, Rates]]:
    """Returns rates over the last whole minutes before `now` (epoch seconds), by queue and window in minutes.

    Queues without any in the longest window are left out.
    """
    until = math.floor(now / MINUTE) * MINUTE
    parameters = {"windows": list(WINDOWS_MINUTES), "until": until}
    found: dict[str, dict[int, Rates]] = {}
    for queue, minutes, arrived, completed, ended in tx.rows(queries("rollups")["queue_counts"], parameters):
        found.setdefault(queue, {})[minutes] = Rates(arrived / minutes, completed / minutes, ended / minutes)
    return found
