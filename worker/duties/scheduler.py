"""APScheduler's scheduler in a thread of ours, with a thread for each duty, so that none waits for another."""

from __future__ import annotations

import threading
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.base import STATE_STOPPED, BaseScheduler
from apscheduler.schedulers.blocking import BlockingScheduler

from taskyard.core.threads import OnEscape, start_thread


class SupervisedScheduler(BlockingScheduler):  # type: ignore[misc]  # APScheduler has no annotations
    """As APScheduler's BackgroundScheduler, but its loop goes on whatever escapes from it."""

    def __init__(self, duties: int, **options: Any) -> None:
        super().__init__(timezone="UTC", executors={"default": ThreadPoolExecutor(duties)}, **options)

    def start(self, paused: bool = False) -> None:
        """Starts it and returns."""
        self._event = threading.Event()
        BaseScheduler.start(self, paused)
        start_thread(
            "scheduler",
            self._begin,
            OnEscape.GO_ON,
            is_essential=True,
            is_over=lambda: self.state == STATE_STOPPED,
        )

    def _begin(self) -> None:
        """Runs the loop, which would wait for a first wake-up: begun anew, nobody would give it one."""
        self._event.set()
        self._main_loop()
