"""Hourly comparisons of policies, as the worker stores them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import comparisons
from taskyard.core.postgres.store.comparisons import Comparison

SPAN = timedelta(hours=6)


def compared(queue: str, mean: float = 60.0, hours_ago: float = 0.5, **changes: Any) -> Comparison:
    """A comparison of a queue in shadow mode: `mean` on record, the same replayed, half of it with the other policy."""
    at = datetime.now(UTC) - timedelta(hours=hours_ago)

    def waits(seconds: float) -> dict[str, float]:
        return {
            "count": 500, "mean": seconds, "p50": seconds / 2, "p95": 3 * seconds, "p99": 5 * seconds,
            "longest": 8 * seconds,
        }  # fmt: skip

    figures = {"recorded": waits(mean), "replayed": waits(mean), "learned": waits(mean / 2)}
    made = Comparison(at, queue, at - SPAN, at, 500, "least_loaded", "learned", True, True, figures)
    return made._replace(**changes)


def store(database: Database, made: Sequence[Comparison]) -> None:
    """Stores comparisons."""
    with database.transaction() as tx:
        for one in made:
            comparisons.add(tx, one)
