"""Finds the times of a period in which no leading worker was seen at work (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from taskyard.core.postgres.store.rollups import MINUTE

LEAST_MINUTES = 2  # a restart or another leader may cost one
MOST = 50


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without a leading worker: `minutes` of it were missing."""

    since: datetime
    until: datetime
    minutes: int


@dataclass(frozen=True, slots=True)
class LedUnit:
    """A unit of a level, and the minutes of it in which a leader was seen working."""

    at: float
    level_seconds: int
    minutes: int


def outages(units: Iterable[LedUnit], since: float, until: float) -> tuple[Outage, ...]:
    """Returns the outages between two times (epoch seconds), oldest first; of too many the longest.

    Neighbouring units that lack minutes are one outage. `units` are in order, and without those that lack all.
    """
    found: list[tuple[float, float, int]] = []

    def missing(begin: float, end: float, minutes: int) -> None:
        if minutes <= 0:
            return
        if found and found[-1][1] >= begin:
            first, _, so_far = found.pop()
            found.append((first, end, so_far + minutes))
        else:
            found.append((begin, end, minutes))

    reached = since
    for unit in units:
        end = min(unit.at + unit.level_seconds, until)
        if end <= reached:
            continue
        if unit.at > reached:
            missing(reached, unit.at, int((unit.at - reached) // MINUTE))
        begin = max(unit.at, reached)
        missing(begin, end, int((end - begin) // MINUTE) - unit.minutes)
        reached = end
    missing(reached, until, int((until - reached) // MINUTE))
    long = sorted((one for one in found if one[2] >= LEAST_MINUTES), key=lambda one: -one[2])[:MOST]
    return tuple(
        Outage(datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC), minutes)
        for begin, end, minutes in sorted(long)
    )
