"""Stops what runs in a thread and does not stop by itself."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from time import monotonic

from taskyard.core.protocol import Done, Run
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.isolation.watch import RETRY_SECONDS, Watch

GRACE_SECONDS = 2.0  # between the demand to stop and giving up
POLL_SECONDS = 0.1  # how late the watchdog may notice a new run; only timeouts below it suffer
MAX_STACK_FRAMES = 20  # frames of what can't be stopped that are shown
STOOD_STILL_SECONDS = 0.5  # a watchdog that is this late was kept from running, and so was everything else

logger = logging.getLogger(__name__)


class Watchdog:
    """A thread that looks at the runs in `watches` (one place per slot, None if free).

    A slot registers a run by storing it in its place. `on_stuck` is called once, from here, with a
    run whose thread did not come back, and the outcome to report for it.
    """

    def __init__(self, slots: int, on_stuck: Callable[[Run, Done], None]) -> None:
        self.watches: list[Watch | None] = [None] * slots
        self._on_stuck = on_stuck
        self._wake = threading.Event()
        self._closed = False
        self._thread = start_thread(
            "watchdog", self._work, OnEscape.END_PROCESS, is_essential=True, is_over=lambda: self._closed
        )

    def wake(self) -> None:
        """Wakes the watchdog after a cancellation."""
        self._wake.set()

    def close(self) -> None:
        """Ends the thread."""
        self._closed = True
        self._wake.set()
        self._thread.join()

    def _work(self) -> None:
        pause_seconds = POLL_SECONDS
        while not self._closed:
            slept_at = monotonic()
            self._wake.wait(pause_seconds)
            self._wake.clear()
            now = monotonic()
            if (late_seconds := now - slept_at - pause_seconds) > STOOD_STILL_SECONDS:
                self._excuse(late_seconds, now)
            due = [self._check(watch, now) for watch in self.watches if watch is not None and not watch.ended]
            pause_seconds = max(0.0, min([POLL_SECONDS, *(at - now for at in due)]))

    def _excuse(self, late_seconds: float, now: float) -> None:
        """Excludes the time in which the whole process stood still (a handler's call into C kept the interpreter)."""
        running = [watch for watch in self.watches if watch is not None and not watch.ended]
        for watch in running:
            watch.lost_seconds += min(late_seconds, now - watch.started_monotonic)
        if running:
            tasks = ", ".join(f"{watch.run.task_id} ({watch.run.task_type})" for watch in running)
            logger.warning("the agent's process stood still for %.1f s while it ran %s", late_seconds, tasks)

    def _check(self, watch: Watch, now: float) -> float:
        """Does what is due for a run; returns when to check again (monotonic time)."""
        stop_at = watch.stop_at()
        if now < stop_at:
            return stop_at
        watch.demand_stop()
        watch.interrupt()
        give_up_at = watch.demanded_at + GRACE_SECONDS
        if now < give_up_at:
            return give_up_at if watch.interrupted else now + RETRY_SECONDS
        if watch.give_up():
            report_stuck(self._on_stuck, watch)
        return now + POLL_SECONDS


def report_stuck(on_stuck: Callable[[Run, Done], None], watch: Watch, blame: str = "") -> None:
    """Calls `on_stuck` and logs its failure, since other runs need their watchdog. `blame` goes into the text."""
    done = watch.stopped()
    assert done.failure is not None
    done.failure.message += f"{blame}, and its thread did not stop within {GRACE_SECONDS:g} s"
    done.failure.traceback = stack_of(watch.thread.id)
    watch.output.close()
    try:
        on_stuck(watch.run, done)
    except Exception:
        logger.exception("reporting the stuck task %s failed", watch.run.task_id)


def stack_of(thread_id: int) -> str | None:
    """Returns a thread's current stack in the form of a traceback; None if it has ended."""
    frame = sys._current_frames().get(thread_id)
    return None if frame is None else "".join(traceback.format_stack(frame, MAX_STACK_FRAMES))
