"""Waits for the ends of tasks."""

from __future__ import annotations

import time
from contextlib import suppress

from taskyard.core.clock import Clock
from taskyard.core.errors import TaskNotFound, Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from taskyard.core.postgres.store.tasks import TaskResult
from taskyard.core.redis.endings import BEGINNING, Endings
from taskyard.core.states import TERMINAL

MIN_POLL_SECONDS = 0.001
MAX_POLL_SECONDS = 0.2  # also while the leader is to tell: an operator may end a task, and Redis may forget who waits
AGAIN_SECONDS = 5.0  # until Redis is asked again after a failure


def wait_for(database: Database, clock: Clock, endings: Endings, task_id: str, timeout_seconds: float) -> TaskResult:
    """Returns a task's state with its output or error once it has ended, or its state if it has not ended in time.

    Raises TaskNotFound or Unavailable.
    """
    deadline = clock.monotonic() + timeout_seconds
    awaited = _Awaited(endings, task_id)
    try:
        awaited.begin()
        while True:
            with database.statements() as tx:
                ending = tasks.endings(tx, [task_id]).get(task_id)
            if ending is None:
                raise TaskNotFound(task_id)
            left = deadline - clock.monotonic()
            if ending.state in TERMINAL or left <= 0:
                return ending
            awaited.wait(left)
    finally:
        awaited.leave()


class _Awaited:
    """One caller's wait for a task: by what the leader tells, or by growing pauses while Redis is away."""

    def __init__(self, endings: Endings, task_id: str) -> None:
        self._endings = endings
        self._task_id = task_id
        self._told = BEGINNING
        self._is_expected = False
        self._pause = MIN_POLL_SECONDS

    def begin(self) -> None:
        """Asks to be told before the first look at the row, if that takes no time: an end after the look is told."""
        if time.monotonic() >= self._endings.away_until:
            try:
                self._is_expected = self._endings.expect_soon(self._task_id)
            except Unavailable:
                self._endings.away_until = time.monotonic() + AGAIN_SECONDS

    def wait(self, most_seconds: float) -> None:
        """Returns when the row is worth another look; a call that only asks to be told does at once."""
        endings = self._endings
        if time.monotonic() >= endings.away_until and endings.places.acquire(blocking=False):
            try:
                self._wait_to_be_told(min(MAX_POLL_SECONDS, most_seconds))
                return
            except Unavailable:
                endings.away_until = time.monotonic() + AGAIN_SECONDS
                self._is_expected = False
            finally:
                endings.places.release()
        time.sleep(min(self._pause, most_seconds))
        self._pause = min(self._pause * 1.3, MAX_POLL_SECONDS)

    def leave(self) -> None:
        """Asks the leader no longer to tell."""
        if self._is_expected:
            with suppress(Unavailable):
                self._endings.forget(self._task_id)

    def _wait_to_be_told(self, seconds: float) -> None:
        if not self._is_expected:
            self._endings.expect(self._task_id)
            self._is_expected = True
            return
        told = self._endings.wait(self._task_id, self._told, seconds)
        if told == self._told:
            self._endings.expect(self._task_id)  # goes on
        else:
            self._told, self._is_expected = told, False
