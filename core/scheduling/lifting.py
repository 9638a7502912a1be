"""Decides which waiting tasks are lifted: those that have waited unusually long for their queue (pure).

A lifted task gets a head start with which no later task of its priority overtakes it. A later one gets at most WAITS
times the longest wait, and that grows while nothing starts: the wait is taken as it may be at the next look, rounded up
to a step. So tasks lifted at the same step keep their order, and nobody is lifted often: again at the next step only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from taskyard.core.learning.head_start import WAITS
from taskyard.core.models import Lane

PERCENT = 99.0
LIMIT_FACTOR = 2.0  # of that percentile of the waits
MIN_WAITS = 100  # fewer say nothing of what is usual
MIN_LIMIT_SECONDS = 1.0
STEP = 1.25  # from one step of the longest wait to the next


class Lift(NamedTuple):
    """What the tasks of a lane get that have waited longer than a limit; seconds."""

    lane: Lane
    limit_seconds: float
    head_start: float


def limit_seconds(waits: int, usual_seconds: float | None) -> float | None:
    """Returns how long a task may wait before it is lifted, by the PERCENT-th percentile of so many waits.

    None if too few are known.
    """
    if usual_seconds is None or waits < MIN_WAITS:
        return None
    return max(MIN_LIMIT_SECONDS, LIMIT_FACTOR * usual_seconds)


def lift_seconds(longest_wait_seconds: float, next_look_seconds: float) -> float:
    """Returns the head start of lifted tasks: no less than what the shortest task gets until the next look."""
    steps = math.ceil(math.log(longest_wait_seconds + next_look_seconds, STEP))
    return round(WAITS * STEP**steps, 3)


def lifts(
    waits: Mapping[Lane, float], limits: Mapping[str, float | None], next_look_seconds: float
) -> tuple[Lift, ...]:
    """Returns what is due, by the longest wait of each lane (seconds) and the limit of each queue (None: unknown)."""
    longest: dict[str, float] = {}
    for lane, seconds in waits.items():
        longest[lane.queue] = max(seconds, longest.get(lane.queue, 0.0))
    found = []
    for lane, seconds in sorted(waits.items()):
        limit = limits.get(lane.queue)
        if limit is not None and seconds > limit:
            found.append(Lift(lane, limit, lift_seconds(longest[lane.queue], next_look_seconds)))
    return tuple(found)
