"""Stops what runs in a thread and does not stop by itself.

A thread is interrupted by an asynchronous exception (PyThreadState_SetAsyncExc), which arrives
between two bytecodes, or only after a call into C has returned. It must reach the handler, but
never the code around it. Three rules make that certain, without a lock on a task's way:

1. One run is interrupted at most once. So one `except HandlerStopped` around a run catches all.
2. The run's end and the sending exclude each other, as in Dekker's algorithm. The runner stores
   "ended", then waits while "sending" is set. The watchdog sets "sending", then sends unless
   "ended" is there. Whichever comes second sees the first. An exception that was sent and has not
   arrived when the run ends is replaced by one that the runner waits for.
3. Who ends a run, its runner or the watchdog that gives it up, is decided by one atomic
   `dict.setdefault`, which may be repeated: an exception in between leaves nothing half done.

Code of the agent that a handler calls (its channel) excludes the sending by the same means as 2.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
import traceback
from collections.abc import Callable
from time import monotonic, sleep, time
from typing import Any

from taskyard.core.errors import ErrorClass
from taskyard.core.protocol import AttemptEnd, Done, Run
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.attempts.capture import Capture
from taskyard.worker.attempts.context import Channel
from taskyard.worker.attempts.execution import HandlerStopped, failed

GRACE_SECONDS = 2.0  # between the demand to stop and giving up
CANCEL_GRACE_SECONDS = 2.0  # for a handler that checks `context.cancelled`
POLL_SECONDS = 0.1  # how late the watchdog may notice a new run; only timeouts below it suffer
RETRY_SECONDS = 0.01
MAX_STACK_FRAMES = 20  # frames of what can't be stopped that are shown
STOOD_STILL_SECONDS = 0.5  # a watchdog that is this late was kept from running, and so was everything else
MAX_EXTENSION_SECONDS = 10.0  # of a deadline; below the time after which the leader settles an attempt by itself

logger = logging.getLogger(__name__)

_set_async_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
_RUNNER, _WATCHDOG = "runner", "watchdog"


class HandlerTimedOut(HandlerStopped):
    """Sent into a handler whose time is up."""


class HandlerCancelled(HandlerStopped):
    """Sent into a handler whose task was cancelled."""


class Watch:
    """One run under supervision; also the channel that its handler's context talks to.

    `thread_id` is the thread that runs the handler, which is the only one that may be interrupted.
    """

    __slots__ = (
        "_by",
        "_channel",
        "_masked",
        "_sending",
        "_sent",
        "cancel_grace_seconds",
        "cancelled_at",
        "demanded_at",
        "lost_seconds",
        "output",
        "run",
        "started_at",
        "started_monotonic",
        "stop_class",
        "thread_id",
    )

    def __init__(self, run: Run, channel: Channel, thread_id: int, cancel_grace_seconds: float) -> None:
        self.run = run
        self.thread_id = thread_id
        self.cancel_grace_seconds = cancel_grace_seconds
        self.begin()
        self.cancelled_at: float | None = None
        self.stop_class: ErrorClass | None = None
        self.demanded_at = 0.0
        self._channel = channel
        self.output = Capture(self.emit)
        self._by: dict[str, str] = {}
        self._sending = False
        self._sent = False
        self._masked = False

    def begin(self) -> None:
        """Starts the run's time."""
        self.started_at = time()
        self.started_monotonic = monotonic()
        self.lost_seconds = 0.0  # the part of its time in which others kept it from running

    def emit(self, message: dict[str, Any]) -> None:
        """Passes the handler's report on to the agent."""
        self._unless_interrupted(self._channel.emit, message)

    def request(self, message: dict[str, Any]) -> Any:
        """Passes the handler's request on to the agent."""
        return self._unless_interrupted(self._channel.request, message)

    def write(self, stream: str, data: bytes) -> bool:
        """Takes the handler's output; returns False once the run is over."""
        return bool(self._unless_interrupted(self.output.write, stream, data))

    def is_cancelled(self) -> bool:
        """Returns True if the task was cancelled."""
        return self.cancelled_at is not None

    def matches(self, task_id: str, attempt: int) -> bool:
        """Returns True if this run is of that pair and has not ended."""
        return self.run.task_id == task_id and self.run.attempt == attempt and not self._by

    def cancel(self) -> None:
        """Asks the handler to stop; it is stopped after its grace period."""
        if self.cancelled_at is None:
            self.cancelled_at = monotonic()

    def stop_at(self) -> float:
        """Returns when the run has to be stopped, as of now (monotonic time)."""
        deadline = self.deadline()
        if self.cancelled_at is None:
            return deadline
        return min(deadline, self.cancelled_at + self.cancel_grace_seconds)

    def deadline(self) -> float:
        """Returns when its time is up (monotonic time). Time lost to others does not count, up to a limit."""
        return self.started_monotonic + self.run.timeout_seconds + min(self.lost_seconds, MAX_EXTENSION_SECONDS)

    def demand_stop(self) -> None:
        """Records, once, that the run has to stop, and why."""
        if self.stop_class is None:
            is_late = monotonic() >= self.deadline()
            self.stop_class = ErrorClass.TIMEOUT if is_late or self.cancelled_at is None else ErrorClass.CANCELLED
            self.demanded_at = monotonic()

    def interrupt(self) -> None:
        """Sends the exception into the run's thread if it may be sent now; never twice."""
        if self._sent:
            return
        self._sending = True
        if not self._by and not self._masked:
            self._sent = True
            stopped = HandlerCancelled if self.stop_class is ErrorClass.CANCELLED else HandlerTimedOut
            _set_async_exception(ctypes.c_ulong(self.thread_id), ctypes.py_object(stopped))
        self._sending = False

    @property
    def interrupted(self) -> bool:
        """Returns True if the exception was sent."""
        return self._sent

    @property
    def ended(self) -> bool:
        """Returns True if the run is over, or given up."""
        return bool(self._by)

    def end(self) -> bool:
        """Ends the run, in its own thread: no exception arrives later. Returns False if it had been given up."""
        ended = self._by.setdefault("by", _RUNNER) is _RUNNER
        while self._sending:
            sleep(0)
        if self._sent:
            self._absorb()
        return ended

    def _absorb(self) -> None:
        """Leaves no exception under way to this thread.

        Taking one back (sending NULL) would do too, but in CPython 3.11 it leaves a flag set that slows the whole
        interpreter down, and in which traced threads hang. So a last one replaces it, and arrives here.
        """
        try:
            _set_async_exception(ctypes.c_ulong(self.thread_id), ctypes.py_object(HandlerStopped))
            while True:
                pass
        except HandlerStopped:
            return

    def give_up(self) -> bool:
        """Ends the run in its runner's place; returns False if it has ended by itself."""
        return self._by.setdefault("by", _WATCHDOG) is _WATCHDOG

    def verdict(self, done: AttemptEnd | None) -> AttemptEnd:
        """Returns the outcome of a run. A late success counts; the last error of a stopped handler does not."""
        return done if done is not None and (done.failure is None or self.stop_class is None) else self.stopped()

    def stopped(self) -> Done:
        """Returns the outcome of a run that was stopped."""
        seconds = monotonic() - self.started_monotonic
        message = "cancelled while it ran"
        if self.stop_class is not ErrorClass.CANCELLED:
            message = f"ran longer than its timeout of {self.run.timeout_seconds:g} s"
        return failed(self.run, self.stop_class or ErrorClass.CANCELLED, message, self.started_at, seconds)

    def _unless_interrupted(self, call: Callable[..., Any], *arguments: Any) -> Any:
        was_masked = self._masked
        if was_masked or threading.get_ident() != self.thread_id:  # threads of the handler are not interrupted
            return call(*arguments)
        try:
            self._masked = True
            while self._sending:
                sleep(0)
            return call(*arguments)
        finally:
            self._masked = was_masked


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
    done.failure.traceback = stack_of(watch.thread_id)
    watch.output.close()
    try:
        on_stuck(watch.run, done)
    except Exception:
        logger.exception("reporting the stuck task %s failed", watch.run.task_id)


def stack_of(thread_id: int) -> str | None:
    """Returns a thread's current stack in the form of a traceback; None if it has ended."""
    frame = sys._current_frames().get(thread_id)
    return None if frame is None else "".join(traceback.format_stack(frame, MAX_STACK_FRAMES))
