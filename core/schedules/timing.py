"""Finds the fire times of a schedule: of its cron expression or interval, between its start and end (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from taskyard.core.schedules.cron import Cron

_TICK = timedelta(microseconds=1)
_FIRST_WINDOW = timedelta(minutes=10)
LAST_YEAR = 9000  # beyond which nothing fires


@dataclass(frozen=True, slots=True)
class Timing:
    """When a schedule fires: exactly one of `cron` and `interval_seconds` is given, moments are aware.

    Intervals count elapsed time from `anchor`, forwards and backwards, whatever clocks do. Nothing is before the start.
    """

    cron: Cron | None
    interval_seconds: float | None
    zone: ZoneInfo
    anchor: datetime
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def next_after(self, moment: datetime) -> datetime | None:
        """Returns the first fire time after a moment, in UTC; None if there is none."""
        if self.starts_at is not None:
            moment = max(moment, self.starts_at - _TICK)
        found = self._next_of_interval(moment) if self.cron is None else self.cron.next_after(moment, self.zone)
        if found is None or found.year > LAST_YEAR or (self.ends_at is not None and found > self.ends_at):
            return None
        return found

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yields the fire times after a moment, in their order."""
        found = self.next_after(moment)
        while found is not None:
            yield found
            found = self.next_after(found)

    def between(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """Yields the fire times from `since` up to `until`, both included."""
        for found in self.after(since - _TICK):
            if found > until:
                return
            yield found

    def newest(self, since: datetime, until: datetime, count: int) -> tuple[list[datetime], bool]:
        """Returns the last `count` fire times from `since` up to `until`, oldest first, and whether there are earlier
        ones. The work does not grow with the length of the span.
        """
        window = _FIRST_WINDOW
        while True:
            start = max(since, until - window)
            found = list(islice(self.between(start, until), 2 * count + 2))
            if len(found) > 2 * count + 1:  # dense: a smaller part of this window has enough
                return self._newest_of_dense(start, until, count), True
            if len(found) > count or start == since:
                return found[-count:] if count else [], len(found) > count
            window *= 2

    def _newest_of_dense(self, since: datetime, until: datetime, count: int) -> list[datetime]:
        low, high = since, until  # at least `count` + 1 fire times are after `low`
        while True:
            middle = low + (high - low) / 2
            found = list(islice(self.between(middle, until), 2 * count + 2))
            if len(found) > 2 * count + 1:
                low = middle
            elif len(found) < count:
                high = middle
            else:
                return found[-count:] if count else []

    def _next_of_interval(self, moment: datetime) -> datetime:
        assert self.interval_seconds is not None
        interval = timedelta(seconds=self.interval_seconds)
        passed = math.floor((moment - self.anchor) / interval) + 1
        found = self.anchor + passed * interval
        return (found if found > moment else found + interval).astimezone(UTC)
