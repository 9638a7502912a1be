"""Rolls the audit log up into minutes and coarser levels, at a speed that does not disturb the tick.

Minutes are counted for good once no transaction can add to them, and provisionally until then, so that charts reach
up to now. After an interruption it continues from the last commit.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Callable

from taskyard.core.clock import Clock
from taskyard.core.errors import Busy
from taskyard.core.postgres.database import Database, Transaction
from taskyard.core.postgres.store import recovery, rollups
from taskyard.core.postgres.store.rollups import DAY, LEVELS, MINUTE
from taskyard.worker.maintenance.steady_time import SteadyTime

# Share of the time that it may keep PostgreSQL busy: one of its processes.
SHARE = 0.1
CATCH_UP_SHARE = 0.5
STEP_SECONDS = 1.0  # that a transaction should not last longer than
MAX_MINUTES = 1440  # in one transaction
SET_BACK_SECONDS = 120.0  # that counted minutes may be ahead of the database's clock
SAMPLES_SECONDS = 60.0  # that the samples of a minute may come after its events


class RollUp:
    """The duty; `run` does what is due now."""

    def __init__(
        self,
        database: Database,
        clock: Clock | None = None,
        catch_up_share: float = CATCH_UP_SHARE,
        steady: SteadyTime | None = None,
    ) -> None:
        self._database = database
        self._clock = clock or Clock()
        self._steady = steady or SteadyTime(self._clock)
        self._catch_up_share = catch_up_share
        self._minutes_at_once = 1
        self._provisional_after = 0.0  # monotonic seconds

    def run(self, may_go_on: Callable[[], bool]) -> None:
        """Rolls up everything that is complete, then the incomplete minutes. Raises Unavailable."""
        with contextlib.suppress(Busy), self._database.transaction() as tx:
            rollups.summarise_times(tx)
        while may_go_on() and self._roll_some():
            pass
        if may_go_on() and self._clock.monotonic() >= self._provisional_after:
            began = self._clock.monotonic()
            self._roll_provisionally()
            now = self._clock.monotonic()
            self._provisional_after = now + (now - began) / SHARE

    def _roll_some(self) -> bool:
        """Runs one transaction for each level with complete units; returns whether the minutes have more."""
        began = time.perf_counter()
        with self._database.transaction() as tx:
            since = rollups.progress(tx, MINUTE)
            settled = math.floor(rollups.settled_until(tx) / MINUTE) * MINUTE
            if since > settled + SET_BACK_SECONDS:  # the clock was set back: what happens now is counted again
                self._go_back(tx, settled)
                since = settled
            until = min(settled, since + self._minutes_at_once * MINUTE)
            if until <= since:
                return False
            rollups.roll_minutes(tx, since, until)
            rollups.note_progress(tx, MINUTE, until)
        self._roll_above()
        seconds = time.perf_counter() - began
        if seconds < STEP_SECONDS / 2:
            self._minutes_at_once = min(MAX_MINUTES, 2 * self._minutes_at_once)
        elif seconds > STEP_SECONDS:
            self._minutes_at_once = max(1, self._minutes_at_once // 2)
        if until >= settled:
            return False
        time.sleep(seconds / self._catch_up_share - seconds)
        return True

    def _go_back(self, tx: Transaction, settled: float) -> None:
        """Makes every level that is ahead count from here again; earlier counts stay."""
        for level in LEVELS:
            here = math.floor(settled / level) * level
            if rollups.progress(tx, level) > here:
                rollups.note_progress(tx, level, here)

    def _roll_above(self) -> None:
        for below, level in itertools.pairwise(LEVELS):
            with self._database.transaction() as tx:
                since = rollups.progress(tx, level)
                patience = SAMPLES_SECONDS if below == MINUTE else 0.0
                until = math.floor((rollups.levels(tx)[below] - patience) / level) * level
                if until > since:
                    rollups.roll_up(tx, level, below, since, until)
                    rollups.note_progress(tx, level, until)

    def _roll_provisionally(self) -> None:
        with self._database.transaction() as tx:
            since = rollups.progress(tx, MINUTE)
            rollups.roll_minutes(tx, since, math.inf)

    def prune(self, days_by_level: dict[int, int]) -> None:
        """Deletes data older than each level's retention in days (0: nothing). Raises Unavailable.

        An error group is deleted with the last of its counts.
        """
        extra = self._steady.extra_days(self._database)
        for level in LEVELS:
            days = days_by_level[level]
            if days:
                with self._database.transaction() as tx:
                    rollups.prune(tx, level, recovery.database_time(tx) - (days + extra) * DAY)
        if all(days_by_level.values()):
            with self._database.transaction() as tx:
                days = max(days_by_level.values()) + extra
                rollups.prune_failure_groups(tx, recovery.database_time(tx) - days * DAY)
