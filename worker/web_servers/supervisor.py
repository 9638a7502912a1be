"""Keeps a web server's process running: watches it, restarts it with a growing pause, and logs that."""

from __future__ import annotations

import threading
import time

import structlog

from taskyard.core.threads import OnEscape, Supervised, start_thread
from taskyard.worker.web_servers.web_process import READY_TIMEOUT_SECONDS, WebProcess

WATCH_SECONDS = 0.2
ASK_SECONDS = 2.0  # between checks for an answer
ANSWER_SECONDS = 3.0
DOWN_SECONDS = 10.0  # without an answer: it is down
LOOK_SECONDS = ANSWER_SECONDS + 1.0  # that one look takes at most, unless this process stood still
HANGS_SECONDS = 60.0  # without an answer: it is killed and restarted
STEADY_SECONDS = 30.0
MAX_BACKOFF_SECONDS = 5.0

log = structlog.get_logger(__name__)


class WebSupervisor:
    """One web server and the thread that supervises it."""

    def __init__(self, page: WebProcess) -> None:
        self.page = page
        self.restarts = 0
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread: Supervised | None = None
        self._answered_at = self._looked_at = time.monotonic()
        self._started_at: float | None = None
        self._failures = 0
        self._reason = "it is starting"
        self._is_down = False

    def start(self) -> None:
        """Starts the server. The kernel ends it with the thread that started it, so one thread does both."""
        self._thread = start_thread(
            self.page.name, self._run, OnEscape.GO_ON, is_essential=True, is_over=self._stopping.is_set
        )

    def wait_until_ready(self) -> bool:
        """Waits until it answers; returns False if that fails."""
        return self._ready.wait(READY_TIMEOUT_SECONDS)

    @property
    def problem(self) -> str | None:
        """Returns why it can't be reached, if so; a restart may take DOWN_SECONDS.

        Only time in which somebody looked counts: this process may have been stopped, or its machine asleep.
        """
        silent = self._looked_at - self._answered_at
        if silent < DOWN_SECONDS or self._stopping.is_set():
            return None
        return f"{self.page.url} has not answered for {silent:.0f} s: {self._reason}"

    def stop(self) -> None:
        """Stops the server."""
        self._stopping.set()
        self.page.stop()

    def _run(self) -> None:
        asked_at = 0.0
        while not self._stopping.wait(WATCH_SECONDS):
            code = self.page.exit_code
            if self._started_at is None or code is not None:
                self._restart(code)
            elif time.monotonic() - asked_at >= ASK_SECONDS or not self._ready.is_set() or self._is_down:
                asked_at = time.monotonic()
                self._ask()
            self._note_look()

    def _note_look(self) -> None:
        now = time.monotonic()
        stood_still = max(0.0, now - self._looked_at - LOOK_SECONDS)
        self._answered_at = min(now, self._answered_at + stood_still)
        self._looked_at = now

    def _restart(self, code: int | None) -> None:
        if self._started_at is not None:
            lived = time.monotonic() - self._started_at
            self._failures = 1 if lived > STEADY_SECONDS else self._failures + 1
            backoff = 0.0 if self._failures == 1 else min(MAX_BACKOFF_SECONDS, 0.25 * 2 ** min(10, self._failures))
            self._reason = f"its process ended with code {code}"
            self._is_down = True
            log.error(f"{self.page.name}.exited", code=code, lived_seconds=round(lived, 1), restart_seconds=backoff)
            if self._stopping.wait(backoff):
                return
            self.restarts += 1
        self._started_at = time.monotonic()
        try:
            self.page.start()
        except (OSError, MemoryError) as error:
            self._failures += 1
            self._reason = f"its process could not be started: {error or type(error).__name__}"
            log.error(f"{self.page.name}.not_started", reason=self._reason)
            self._stopping.wait(MAX_BACKOFF_SECONDS)

    def _ask(self) -> None:
        if self.page.answers(ANSWER_SECONDS):
            if self._is_down:
                log.warning(f"{self.page.name}.is_back", url=self.page.url)
            self._answered_at, self._is_down = time.monotonic(), False
            self._reason = "its process runs but does not answer"
            self._ready.set()
            return
        silent = self._looked_at - max(self._answered_at, self._started_at or 0.0)
        if silent > DOWN_SECONDS and not self._is_down:
            self._is_down = True
            log.error(f"{self.page.name}.silent", url=self.page.url, seconds=round(silent))
        if silent > HANGS_SECONDS:
            log.error(f"{self.page.name}.hangs", url=self.page.url, seconds=round(silent))
            self.page.stop()
