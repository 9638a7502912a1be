"""Decides which fire times of a schedule are fired after a pause, and delays their tasks (pure)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from taskyard.core.schedules.timing import Timing

ON_TIME_SECONDS = 60.0  # a fire time that is found later was missed: nobody led meanwhile
MAX_LISTED = 20  # missed fire times that are recorded one by one


class CatchUp(StrEnum):
    """What becomes of fire times that were missed while no worker led."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Due:
    """Fire times, oldest first. `has_more_missed`: there are earlier ones than the listed `missed`."""

    fired: list[datetime]
    missed: list[datetime]
    has_more_missed: bool
    next: datetime | None


def due_of(timing: Timing, next_fire: datetime, now: datetime, catch_up: CatchUp, limit: int) -> Due:
    """Returns what is due at `now` of a schedule that fires next at `next_fire`; `limit` is for CatchUp.ALL."""
    wanted = limit if catch_up is CatchUp.ALL else 1
    found, has_more = timing.newest(next_fire, now, wanted + MAX_LISTED)
    fired, missed = found[-wanted:], found[:-wanted]
    if catch_up is CatchUp.NONE and fired and fired[-1] < now - timedelta(seconds=ON_TIME_SECONDS):
        fired, missed = [], found
    return Due(fired, missed, has_more, timing.next_after(now))


def jitter_of(schedule_id: str, fire_time: datetime, most_seconds: float) -> float:
    """Returns by how much a task is delayed, in seconds from 0 to `most_seconds`: always the same for a fire time."""
    if not most_seconds:
        return 0.0
    text = f"{schedule_id}/{fire_time.timestamp():.6f}"
    share = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest()) / 2**56
    return round(share * most_seconds, 3)
