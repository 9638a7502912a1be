"""Compares estimated starts of some waiting tasks with their real ones, so that ranges say how often they hold."""

from __future__ import annotations

import random
from typing import NamedTuple

from taskyard.core.models import Lane
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import learning
from taskyard.core.redis.broker import Broker
from taskyard.core.telemetry.learning_live import StartsLive
from taskyard.core.telemetry.live_snapshot import LiveSnapshot
from taskyard.core.telemetry.start_estimates import StartErrors, StartRange, estimate_start, start_range

CHOSEN_AT_ONCE = 3  # tasks, in a second
MAX_WATCHED = 200
MAX_SECONDS = 24 * 3600.0  # that one is watched


class _Estimate(NamedTuple):
    at: float  # the database's time, epoch seconds
    seconds: float
    told: StartRange


class StartWatch:
    """Watches tasks of one term. Every method raises Unavailable."""

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database = database
        self._broker = broker
        self._watched: dict[str, _Estimate] = {}
        self._errors = StartErrors()

    def look(self, live: LiveSnapshot | None, now: float) -> None:
        """Notes what started, and estimates the start of some others; `now` is the database's time."""
        if self._watched:
            self._note_started(now)
        if live is None or len(self._watched) >= MAX_WATCHED:
            return
        lanes = [lane for lane in live.lanes if lane.ready]
        for depth in random.sample(lanes, min(CHOSEN_AT_ONCE, len(lanes))):
            lane, before = Lane(depth.queue, depth.type, tuple(depth.requires)), random.randrange(depth.ready)
            task_id = self._broker.task_at(lane, before)
            seconds = estimate_start(lane, before, live)
            if task_id is not None and task_id not in self._watched and seconds:
                self._watched[task_id] = _Estimate(now, seconds, start_range(seconds, self.live()))

    def live(self) -> StartsLive:
        """Returns how far estimates were off lately."""
        return self._errors.live()

    def _note_started(self, now: float) -> None:
        with self._database.transaction() as tx:
            found = {
                task_id: (is_waiting, started)
                for task_id, is_waiting, started in learning.starts(tx, list(self._watched))
            }
        for task_id, estimate in list(self._watched.items()):
            is_waiting, started = found.get(task_id, [False, None])
            if is_waiting and now - estimate.at < MAX_SECONDS:
                continue
            del self._watched[task_id]
            if started is not None and started >= estimate.at:
                self._errors.note(estimate.seconds, started - estimate.at, estimate.told)
