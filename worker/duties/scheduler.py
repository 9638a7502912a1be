"""Runs APScheduler in a supervised thread, with a thread for each duty, so that none waits for another."""

from __future__ import annotations

import threading
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.base import STATE_STOPPED, BaseScheduler
from apscheduler.schedulers.blocking import BlockingScheduler

from taskyard.core.threads import OnEscape, start_thread


class SupervisedScheduler(BlockingScheduler):  # type: ignore[misc]  # APScheduler has no annotations
    """Like APScheduler's BackgroundScheduler, but its loop survives exceptions."""

    def __init__(self, duties: int, **options: Any) -> None:
        super().__init__(timezone="UTC", executors={"default": ThreadPoolExecutor(duties)}, **options)

    def start(self, paused: bool = False) -> None:
        """Starts the scheduler and returns."""
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
        """Runs the loop; a restarted loop would wait for its first wake-up for ever."""
        self._event.set()
        self._main_loop()
