"""Waits for the ends of tasks."""

from __future__ import annotations

import time

from taskyard.core.clock import Clock
from taskyard.core.errors import TaskNotFound
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from taskyard.core.postgres.store.tasks import TaskResult
from taskyard.core.states import TERMINAL

MIN_POLL_SECONDS = 0.001
MAX_POLL_SECONDS = 0.2


def wait_for(database: Database, clock: Clock, task_id: str, timeout_seconds: float) -> TaskResult:
    """Returns a task's state with its output or error once it has ended, or its state if it has not ended in time.

    Raises TaskNotFound or Unavailable.
    """
    deadline = clock.monotonic() + timeout_seconds
    pause = MIN_POLL_SECONDS
    while True:
        with database.transaction() as tx:
            ending = tasks.endings(tx, [task_id]).get(task_id)
        if ending is None:
            raise TaskNotFound(task_id)
        if ending.state in TERMINAL or clock.monotonic() >= deadline:
            return ending
        time.sleep(pause)
        pause = min(pause * 1.3, MAX_POLL_SECONDS)
