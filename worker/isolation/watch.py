"""One run under supervision, and its interruption.

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

Code of the agent that a handler calls (its channel) excludes the sending by the same means as 2. A handler that
calls it all the time is held before its next call, until the sender, which tries again, has found it outside.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from time import monotonic, sleep, time
from typing import Any

from taskyard.core.errors import ErrorClass
from taskyard.core.protocol import AttemptEnd, Done, Run
from taskyard.worker.attempts.capture import Capture
from taskyard.worker.attempts.context import Channel
from taskyard.worker.attempts.execution import HandlerStopped, failed

CANCEL_GRACE_SECONDS = 2.0  # for a handler that checks `context.cancelled`
RETRY_SECONDS = 0.01  # between tries to interrupt a run that is in the agent's code
HOLD_SECONDS = 0.2  # at most before a call of the agent's code, for the next try
MAX_EXTENSION_SECONDS = 10.0  # of a deadline; below the time after which the leader settles an attempt by itself

_set_async_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
_RUNNER, _WATCHDOG = "runner", "watchdog"


class HandlerTimedOut(HandlerStopped):
    """Sent into a handler whose time is up."""


class HandlerCancelled(HandlerStopped):
    """Sent into a handler whose task was cancelled."""


class RunThread:
    """A thread that runs handlers, the only one that may be interrupted; runs on one event loop share it.

    `is_masked`: it is in the agent's code; `is_sending`: somebody may be interrupting it. An interruption of one run
    may find another one in the agent's code, which waits for it as its own would.
    """

    __slots__ = ("id", "is_masked", "is_sending", "sender")

    def __init__(self, thread_id: int) -> None:
        self.id = thread_id
        self.sender = threading.Lock()  # one of several senders
        self.is_masked = self.is_sending = False


class Watch:
    """One run under supervision; also the channel that its handler's context talks to. `thread` runs the handler."""

    __slots__ = (
        "_by",
        "_channel",
        "_is_awaited",
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
        "thread",
    )

    def __init__(self, run: Run, channel: Channel, thread: RunThread, cancel_grace_seconds: float) -> None:
        self.run = run
        self.thread = thread
        self.cancel_grace_seconds = cancel_grace_seconds
        self.begin()
        self.cancelled_at: float | None = None
        self.stop_class: ErrorClass | None = None
        self.demanded_at = 0.0
        self._channel = channel
        self.output = Capture(self.emit)
        self._by: dict[str, str] = {}
        self._sent = False
        self._is_awaited = False  # an interruption found it masked

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
        self._is_awaited = True
        with self.thread.sender:
            self.thread.is_sending = True
            if not self._by and not self.thread.is_masked:
                self._sent = True
                stopped = HandlerCancelled if self.stop_class is ErrorClass.CANCELLED else HandlerTimedOut
                _set_async_exception(ctypes.c_ulong(self.thread.id), ctypes.py_object(stopped))
            self.thread.is_sending = False

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
        while self.thread.is_sending:
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
            _set_async_exception(ctypes.c_ulong(self.thread.id), ctypes.py_object(HandlerStopped))
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
        was_masked = self.thread.is_masked
        if was_masked or threading.get_ident() != self.thread.id:  # threads of the handler are not interrupted
            return call(*arguments)
        if self._is_awaited:
            self._hold()
        try:
            self.thread.is_masked = True
            while self.thread.is_sending:
                sleep(0)
            return call(*arguments)
        finally:
            self.thread.is_masked = was_masked

    def _hold(self) -> None:
        """Waits where the exception may arrive."""
        until = monotonic() + HOLD_SECONDS
        while not (self._sent or self._by) and monotonic() < until:
            sleep(RETRY_SECONDS / 10)
        self._is_awaited = False
