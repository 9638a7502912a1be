"""Finds types that differ from their own past, in the roll-ups; see core.telemetry.anomaly."""

from __future__ import annotations

import math

from taskyard.core.alerts.signals import Anomaly
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import history
from taskyard.core.postgres.store.rollups import DAY, MINUTE, TEN_MINUTES
from taskyard.core.telemetry.anomaly import (
    DAYS,
    SLOT_MINUTES,
    WINDOWS_MINUTES,
    Slot,
    judge,
    past_of,
    recent_starts,
    seasonal_starts,
)

assert SLOT_MINUTES * MINUTE == TEN_MINUTES  # the past is read from that level


def anomalies(database: Database, now: float) -> list[Anomaly]:
    """Returns the anomalies in the minutes before `now` (epoch seconds); raises Unavailable."""
    end = math.floor(now / MINUTE) * MINUTE
    with database.transaction() as tx:
        past = history.slots(tx, TEN_MINUTES, [*seasonal_starts(end), *recent_starts(end)])
        present = history.slots(tx, MINUTE, [float(end - back * MINUTE) for back in range(1, max(WINDOWS_MINUTES) + 1)])
        first_seen = history.first_seen(tx, end - (DAYS + 1) * DAY)
    found = []
    for type_, since in sorted(first_seen.items()):
        minutes = present.get(type_, {})
        windows = {window: _joined(minutes, end - window * MINUTE) for window in WINDOWS_MINUTES}
        for verdict in judge(windows, past_of(past.get(type_, {}), end, since)):
            found.append(Anomaly(type_, verdict.measure, verdict.score, verdict.value, verdict.expected, verdict.unit))
    return found


def _joined(minutes: dict[float, Slot], since: float) -> Slot:
    parts = [slot for start, slot in minutes.items() if start >= since]
    ran = sum(slot.ran for slot in parts)
    mean_log = sum(slot.mean_log * slot.ran for slot in parts) / ran if ran else 0.0
    return Slot(
        submitted=sum(slot.submitted for slot in parts),
        ended=sum(slot.ended for slot in parts),
        failed=sum(slot.failed for slot in parts),
        ran=ran,
        mean_log=mean_log,
    )
