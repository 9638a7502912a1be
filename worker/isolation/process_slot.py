"""Runs a slot's handlers in a child process, from the agent's side.

The slot's own thread does everything here: it waits for the child's frames, the deadline and a wake-up by `cancel`
at once, and it alone has the child killed, so no two threads race for a pid.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import monotonic

from taskyard.core.errors import ErrorClass
from taskyard.core.protocol import AttemptEnd, Done, Run
from taskyard.worker.attempts.capture import Capture
from taskyard.worker.attempts.context import Channel
from taskyard.worker.attempts.execution import failed
from taskyard.worker.isolation.answering import start_answering
from taskyard.worker.isolation.attempt_usage import usage_of_ended
from taskyard.worker.isolation.child import Child, ChildFailed, ModulesRefused
from taskyard.worker.isolation.fork_server import ForkServer, ForkServerLost
from taskyard.worker.isolation.frames import Cancel, Emit, End, Loading, ProtocolError, Ready, Request, Start
from taskyard.worker.isolation.memory import SAMPLE_SECONDS, MemoryGuard
from taskyard.worker.isolation.watch import CANCEL_GRACE_SECONDS, RunThread, Watch

START_SECONDS = 60.0  # for importing the task modules

logger = logging.getLogger(__name__)


class ProcessSlot:
    """Runs one task at a time in a child that is started when it is needed and reused."""

    def __init__(self, fork_server: Callable[[], ForkServer]) -> None:
        self._fork_server = fork_server
        self._child: Child | None = None
        self._watch: Watch | None = None
        self.failed_starts = 0  # in a row
        self._guard = threading.Lock()  # between `cancel` and closing the child's descriptors
        self.busy = threading.Lock()

    def run(self, run: Run, channel: Channel, memory_limit_mib: int | None = None) -> AttemptEnd:
        """Runs a task to its end, however it ends, with a memory limit if it has one."""
        with self.busy:
            watch = self._watch = Watch(run, channel, RunThread(0), CANCEL_GRACE_SECONDS)
            try:
                child = self._ready_child()
                self.failed_starts = 0
            except ModulesRefused as error:
                watch.end()
                return failed(run, ErrorClass.CRASHED, str(error), watch.started_at, 0.0)
            except (ChildFailed, ForkServerLost, OSError, RuntimeError, MemoryError) as error:
                watch.end()
                self.failed_starts += 1
                message = f"the handler's process could not be started: {error or type(error).__name__}"
                return failed(run, ErrorClass.CRASHED, message, watch.started_at, 0.0)
            watch.begin()  # starting the child does not count as the task's time
            memory = None if memory_limit_mib is None else MemoryGuard(child.pid, memory_limit_mib)
            finished = False
            child.output.sink = watch.output.write
            try:
                if channel.is_cancelled():
                    self.cancel(run.task_id, run.attempt)
                answer = self._converse(child, watch, memory)
                finished = answer is not None and not answer[1]
            finally:
                watch.end()
                child.output.drain()
                child.output.sink = None
                watch.output.close()
                used = None if finished else usage_of_ended(child.pid, child.cpu_seconds)
                ending = None if finished else self._discard()
            if answer is not None:
                return answer[0]
            done = watch.stopped() if watch.stop_class else _crashed(watch, ending, memory)
            if used is not None:
                done.cpu_seconds, done.peak_memory_bytes = used
            return done

    def cancel(self, task_id: str, attempt: int) -> bool:
        """Asks the handler to stop, and stops it after a grace period; returns False if that run is not here."""
        watch = self._watch
        if watch is None or not watch.matches(task_id, attempt):
            return False
        watch.cancel()
        with self._guard:
            if self._child is not None:
                self._child.wake()
        return True

    def close(self) -> None:
        """Ends the child; the slot must not be running."""
        if self._child is not None:
            self._discard()

    def _ready_child(self) -> Child:
        if self._child is not None and not self._child.is_alive():
            self._discard()  # it died between two tasks
        if self._child is None:
            child = Child(self._fork_server())
            with self._guard:
                self._child = child
            try:
                self._await_ready(child)
            except BaseException:
                self._discard()
                raise
        return self._child

    def _await_ready(self, child: Child) -> None:
        printed = Capture(
            lambda message: logger.info("a handler's process printed at its start: %s", message["message"])
        )
        child.output.sink = printed.write
        try:
            self._await_first_frame(child)
        finally:
            child.output.drain()
            child.output.sink = None
            printed.close()

    def _await_first_frame(self, child: Child) -> None:
        give_up_at, remark = monotonic() + START_SECONDS, ""
        while (frame := child.stream.next()) is None or isinstance(frame, Loading):
            if frame is not None:
                remark = f": {frame.remark}"
                continue
            seconds = give_up_at - monotonic()
            if seconds <= 0:
                raise ChildFailed(f"the handler's process was not ready within {START_SECONDS:g} s{remark}")
            if not child.wait(seconds):
                raise ChildFailed(f"the handler's process ended before it was ready{remark}")
        if isinstance(frame, Ready) and frame.problem:
            raise ModulesRefused(frame.problem)

    def _converse(self, child: Child, watch: Watch, memory: MemoryGuard | None) -> tuple[AttemptEnd, bool] | None:
        """Answers the child until its task is over; returns the outcome and whether the child ends now.

        Returns None if the child has to be killed, or is dead.
        """
        is_cancel_sent = False
        try:
            child.stream.send(Start.of(watch.run))
            while True:
                while (frame := child.stream.next()) is not None:
                    if isinstance(frame, End):
                        child.cpu_seconds = frame.cpu_seconds
                        return frame.done, frame.retiring
                    if isinstance(frame, Emit):
                        watch.emit(frame.message)
                    elif isinstance(frame, Request):
                        start_answering(child.stream, watch, frame)
                if watch.is_cancelled() and not is_cancel_sent:
                    is_cancel_sent = True
                    child.stream.send(Cancel(watch.run.task_id, watch.run.attempt))
                seconds = watch.stop_at() - monotonic()
                if seconds <= 0:
                    watch.demand_stop()
                    return None
                if memory is not None and memory.check():
                    return None
                if not child.wait(seconds if memory is None else min(seconds, SAMPLE_SECONDS)):
                    return None
        except (OSError, ProtocolError) as error:
            logger.warning("the process of task %s is abandoned: %s", watch.run.task_id, error)
            return None

    def _discard(self) -> tuple[str, bool, str]:
        with self._guard:
            child, self._child = self._child, None
        assert child is not None
        return child.stop()


def _crashed(watch: Watch, ending: tuple[str, bool, str] | None, memory: MemoryGuard | None) -> Done:
    how, for_lack_of_memory, stacks = ending or ("ended", False, "")
    error_class, message = ErrorClass.CRASHED, f"the handler's process {how}"
    if for_lack_of_memory:
        error_class, message = ErrorClass.RESOURCE_LIMIT, "the kernel killed the handler's process: out of memory"
    if memory is not None and memory.is_exceeded:
        error_class, message, stacks = ErrorClass.RESOURCE_LIMIT, memory.verdict, ""
    seconds = monotonic() - watch.started_monotonic
    return failed(watch.run, error_class, message, watch.started_at, seconds, stacks or None)
