"""Remembers for the leader when the next schedule is due, so that ticks before that cost nothing.

What is remembered only hurries: whether a schedule fires is decided in the transaction, by its row and the database's
time. The roster's tick reads it anew each second, so a changed schedule is known within a second.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from taskyard.core.learning.prediction import Predict
from taskyard.core.postgres.database import DriverTransaction
from taskyard.core.submission.schedule_firing import Fired, RunEach, fire_due
from taskyard.core.submission.validate import Limits
from taskyard.core.task_types.registry import Registry

SCHEDULES = "schedules"  # the name of their part of the transaction
PAUSE_SECONDS = 0.25  # after which what was locked is tried again

Firing = Callable[[DriverTransaction, RunEach], Fired]


class DueSchedules:
    """`database_now` is the database's time in epoch seconds, `now` monotonic seconds."""

    def __init__(self, registry: Registry, limits: Limits, predict: Predict | None = None) -> None:
        self._fire: Firing = partial(_fire, registry, limits, predict)
        self._next_fire = 0.0  # not read yet: a new term looks at once
        self._not_before = 0.0

    def seconds_left(self, database_now: float, now: float) -> float:
        """Returns in how many seconds a schedule may be due; infinite if none is known."""
        return max(self._next_fire - database_now, self._not_before - now)

    def take(self, database_now: float, now: float) -> Firing | None:
        """Returns what fires the schedules that are due, if one may be."""
        return self._fire if self.seconds_left(database_now, now) <= 0 else None

    def note(self, next_fire: float | None, fired: Fired | None, database_now: float, now: float) -> None:
        """Takes what a tick's transaction read (None: nothing), and did; locked rows are tried after a pause."""
        if next_fire is not None:
            self._next_fire = next_fire
        if fired is not None and not fired.is_whole and self._next_fire <= database_now:
            self._not_before = now + PAUSE_SECONDS

    def note_left(self, left_parts: Collection[str], now: float) -> None:
        """Takes which parts of a transaction were left because their tables are locked."""
        if SCHEDULES in left_parts:
            self._not_before = now + PAUSE_SECONDS


def _fire(
    registry: Registry, limits: Limits, predict: Predict | None, tx: DriverTransaction, run_each: RunEach
) -> Fired:
    return fire_due(tx, registry, limits, run_each, predict=predict)
