"""Divides a period into steps by the reader's clock (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from taskyard.core.postgres.store.rollups import HOUR, LEVELS, MINUTE


def begins(since: float, until: float, step_seconds: int, unit_seconds: int, zone: tzinfo = UTC) -> list[float]:
    """Returns when the steps of a range begin (epoch seconds): up to an hour long with the range, others by the zone's
    days, the first at or before `since`.

    Where only units are kept that do not fit the zone's days, these are UTC's.
    """
    found = _begins(since, until, step_seconds, zone)
    return found if all(at % unit_seconds == 0 for at in found) else _begins(since, until, step_seconds, UTC)


def grain(begins_: Sequence[float], step_seconds: int) -> int:
    """Returns the coarsest level whose units each lie within one of these steps."""
    return max(
        (level for level in LEVELS if level <= step_seconds and all(at % level == 0 for at in begins_)), default=MINUTE
    )


def _begins(since: float, until: float, step_seconds: int, zone: tzinfo) -> list[float]:
    if step_seconds <= HOUR:
        return [since + step_seconds * n for n in range(int((until - since - 1) // step_seconds) + 1)]
    midnight = datetime.fromtimestamp(since, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    found: list[float] = []
    number = 0
    while (at := (midnight + timedelta(seconds=step_seconds * number)).replace(tzinfo=zone).timestamp()) < until:
        number += 1
        if at <= since:
            found = [at]
        elif at > found[-1]:
            found.append(at)
    return found
