"""Remembers how many tasks ticks free, so that room can be offered to tasks before their transaction frees them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from taskyard.core.models import Lane

FADING = 0.7  # of what was counted, with each tick that ends tasks
LEAST = 0.1  # of a lane's count; below, it is forgotten
MARGIN = 1.1


class FreedLanes:
    """Counts the tasks that ticks ended of late, and by lane those that they freed."""

    def __init__(self) -> None:
        self._ended = 0.0
        self._freed: dict[Lane, float] = {}

    def note(self, ended: int, freed: Mapping[Lane, int]) -> None:
        """Records a tick that ended as many tasks, while any waited for others, and freed these."""
        self._ended = FADING * self._ended + ended
        faded = {lane: FADING * count for lane, count in self._freed.items()}
        counts = faded | {lane: faded.get(lane, 0.0) + count for lane, count in freed.items()}
        self._freed = {lane: count for lane, count in counts.items() if count >= LEAST}

    def expected(self, ended: int) -> dict[Lane, int]:
        """Returns by lane how many tasks a tick that ends as many may free: a few more than it likely will."""
        if not self._freed:
            return {}
        factor = MARGIN * ended / max(self._ended, 1.0)
        return {lane: math.ceil(count * factor) for lane, count in self._freed.items()}
