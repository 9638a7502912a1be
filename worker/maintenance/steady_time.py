"""Guards deletions by age against wrong clocks.

A clock that was set forward by years must not delete the history: data is deleted only if it is as old by elapsed
time, too. Otherwise PostgreSQL's time decides.
"""

from __future__ import annotations

import math
import threading

import structlog

from taskyard.core.clock import Clock
from taskyard.core.postgres.database import Database, Transaction
from taskyard.core.postgres.store import recovery, rollups
from taskyard.core.postgres.store.rollups import DAY, MINUTE

JUMP_SECONDS = 7200.0  # that the database's clock may gain on ours between two checks
GAP_SECONDS = float(
    DAY
)  # without any counted minute, after which a time is observed for this long before it is accepted

log = structlog.get_logger(__name__)


class SteadyTime:
    """Compares the database's clock with the time that passes here. One per worker; thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._believed: tuple[float, float] | None = None  # database time, and our monotonic time then
        self._began = clock.monotonic()
        self._newest: float | None = None  # what was counted last when this worker began, if that is long ago
        self._is_held = False
        self._mutex = threading.Lock()

    def begin(self, tx: Transaction) -> None:
        """Reads the history before this worker adds to it; `extra_days` does so if it was not called."""
        with self._mutex:
            self._begin(tx)

    def extra_days(self, database: Database) -> int:
        """Returns by how many days to extend all retention, because the database's clock is ahead. Raises
        Unavailable.
        """
        with database.transaction() as tx, self._mutex:
            self._begin(tx)
            now = recovery.database_time(tx)
            trusted = self._trusted(now)
        days = math.ceil(max(0.0, now - trusted) / DAY)
        if days and not self._is_held:
            log.warning("retention.clock_ahead", days=days, hint="kept longer: the database's clock was set forward")
        self._is_held = days > 0
        return days

    def _begin(self, tx: Transaction) -> None:
        if self._believed is not None:
            return
        now = recovery.database_time(tx)
        newest = rollups.levels(tx).get(MINUTE, now)
        self._believed = (now, self._clock.monotonic())
        self._newest = newest if now - newest > GAP_SECONDS else None

    def _trusted(self, now: float) -> float:
        assert self._believed is not None
        mine = self._clock.monotonic()
        then, at = self._believed
        expected = then + (mine - at)
        if now - expected < JUMP_SECONDS:  # set back, too: then it counts from there
            expected = now
            self._believed = (now, mine)
        if self._newest is not None and mine - self._began < GAP_SECONDS:
            return min(expected, self._newest + (mine - self._began))
        return expected
