"""The agent's side of a slot whose handlers run in a child process.

The slot's own thread does everything here: it waits for the child's frames, the deadline and a
wake-up by `cancel` at once, and it alone has the child killed, so no two threads race for a pid.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import struct
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from core.errors import ErrorClass
from core.protocol import Done, Run
from worker.agents.answering import start_answering
from worker.agents.context import Channel
from worker.agents.execution import failed
from worker.agents.frames import Cancel, Emit, End, FrameStream, Loading, ProtocolError, Ready, Request, Start
from worker.agents.keeper import UNKNOWN_STATUS, Keeper, KeeperLost
from worker.agents.memory import SAMPLE_SECONDS, MemoryGuard
from worker.agents.usage import usage_of_ended
from worker.agents.watchdog import CANCEL_GRACE_SECONDS, Watch

START_SECONDS = 60.0  # for importing the task modules
SEND_SECONDS = 5  # for a child that does not read
CRASH_TEXT_BYTES = 16384

logger = logging.getLogger(__name__)


class ChildFailed(Exception):
    """The child could not be started."""


class ModulesRefused(ChildFailed):
    """The child could not load its task modules; another agent process could not either."""


class Child:
    """A child process and the three things its slot waits for: frames, its death, and a wake-up."""

    def __init__(self, keeper: Keeper) -> None:
        """Starts it. Raises KeeperLost, or OSError if a descriptor, a process or room for its crash file is lacking."""
        self._keeper = keeper
        self._oom_kills = _oom_kills()
        self.cpu_seconds = 0.0  # what it had used at the end of its last task
        self._pidfd: int | None = None
        self._poll = select.poll()
        with contextlib.ExitStack() as opened:
            self._crash_file = opened.enter_context(tempfile.TemporaryFile())
            own_end, other_end = socket.socketpair()
            opened.enter_context(own_end)
            with other_end:
                self._wake_read, self._wake_write = os.pipe()
                for descriptor in (self._wake_read, self._wake_write):
                    opened.callback(os.close, descriptor)
                    os.set_blocking(descriptor, False)
                own_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", SEND_SECONDS, 0))
                self.stream = FrameStream(own_end)
                self.pid = keeper.fork(other_end, self._crash_file.fileno())
            # A process that the handler forked may hold the socket open, so its end alone does not tell of a death.
            with contextlib.suppress(AttributeError, OSError):  # macOS, Linux before 5.3: that end has to do
                self._pidfd = os.pidfd_open(self.pid)
                self._poll.register(self._pidfd, select.POLLIN)
            self._poll.register(own_end, select.POLLIN)
            self._poll.register(self._wake_read, select.POLLIN)
            opened.pop_all()  # closed by `stop`

    def wake(self) -> None:
        """Ends a `wait`; safe from any thread."""
        with contextlib.suppress(BlockingIOError):  # the pipe is full of wake-ups
            os.write(self._wake_write, b"!")

    def wait(self, seconds: float) -> bool:
        """Waits for a frame's bytes, a wake-up or the time; False if the child is dead and all was read."""
        ready = {descriptor for descriptor, _ in self._poll.poll(max(0.0, seconds) * 1000)}
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        if self.stream.connection.fileno() in ready:
            return self.stream.fill(wait=False)
        return self._pidfd not in ready

    def is_alive(self) -> bool:
        """Whether it still is there, waiting for a task."""
        return self.wait(0)

    def stop(self) -> tuple[str, bool, str]:
        """Kills it with all that it started. Returns how it ended, whether for lack of memory, and its last stacks."""
        try:
            status = self._keeper.stop(self.pid)
        except KeeperLost:
            status = UNKNOWN_STATUS
        stacks = ""
        try:
            os.lseek(self._crash_file.fileno(), 0, os.SEEK_SET)
            stacks = os.read(self._crash_file.fileno(), CRASH_TEXT_BYTES).decode("utf-8", "replace")
        finally:
            self._close()
        by_kernel = status == signal.SIGKILL and _oom_kills() > self._oom_kills
        return _ending(status), by_kernel, stacks

    def _close(self) -> None:
        self.stream.close()
        self._crash_file.close()
        for descriptor in (self._wake_read, self._wake_write, self._pidfd):
            if descriptor is not None:
                os.close(descriptor)


class ProcessSlot:
    """Runs one task at a time in a child that is started when it is needed and reused."""

    def __init__(self, keeper: Callable[[], Keeper]) -> None:
        self._keeper = keeper
        self._child: Child | None = None
        self._watch: Watch | None = None
        self.failed_starts = 0  # in a row
        self._guard = threading.Lock()  # between `cancel` and closing the child's descriptors
        self.busy = threading.Lock()

    def run(self, run: Run, channel: Channel, memory_limit_mib: int | None = None) -> Done:
        """Runs a task to its end, however it ends, and with a limit on memory if it has one."""
        with self.busy:
            watch = self._watch = Watch(run, channel, 0, CANCEL_GRACE_SECONDS)
            try:
                child = self._ready_child()
                self.failed_starts = 0
            except ModulesRefused as error:
                watch.end()
                return failed(run, ErrorClass.CRASHED, str(error), watch.started_at, 0.0)
            except (ChildFailed, KeeperLost, OSError, RuntimeError, MemoryError) as error:
                watch.end()
                self.failed_starts += 1
                message = f"the handler's process could not be started: {error or type(error).__name__}"
                return failed(run, ErrorClass.CRASHED, message, watch.started_at, 0.0)
            watch.begin()  # starting the child is not the task's time
            memory = None if memory_limit_mib is None else MemoryGuard(child.pid, memory_limit_mib)
            finished = False
            try:
                if channel.is_cancelled():
                    self.cancel(run.task_id, run.attempt)
                answer = self._converse(child, watch, memory)
                finished = answer is not None and not answer[1]
            finally:
                watch.end()
                used = None if finished else usage_of_ended(child.pid, child.cpu_seconds)
                ending = None if finished else self._discard()
            if answer is not None:
                return answer[0]
            done = watch.stopped() if watch.stop_class else _crashed(watch, ending, memory)
            if used is not None:
                done.cpu_seconds, done.peak_memory_bytes = used
            return done

    def cancel(self, task_id: str, attempt: int) -> bool:
        """Asks the handler to stop, and stops it after a grace; False if that run is not here."""
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
            child = Child(self._keeper())
            with self._guard:
                self._child = child
            try:
                self._await_ready(child)
            except BaseException:
                self._discard()
                raise
        return self._child

    def _await_ready(self, child: Child) -> None:
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

    def _converse(self, child: Child, watch: Watch, memory: MemoryGuard | None) -> tuple[Done, bool] | None:
        """Answers the child until its task is over; returns how it ended and whether the child ends now.

        None if the child has to be killed, or is dead.
        """
        told = False
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
                if watch.is_cancelled() and not told:
                    told = True
                    child.stream.send(Cancel(watch.run.task_id, watch.run.attempt))
                seconds = watch.stop_at() - monotonic()
                if seconds <= 0:
                    watch.demand_stop()
                    return None
                if memory is not None and memory.look():
                    return None
                if not child.wait(seconds if memory is None else min(seconds, SAMPLE_SECONDS)):
                    return None
        except (OSError, ProtocolError) as error:
            logger.warning("the process of task %s is given up: %s", watch.run.task_id, error)
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


def _ending(status: int) -> str:
    if status == UNKNOWN_STATUS:
        return "was lost together with its keeper"
    code = os.waitstatus_to_exitcode(status)
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _oom_kills() -> int:
    """How often this kernel killed a process for lack of memory (Linux 4.13 and newer, else 0)."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:  # there is none, or no descriptor is left to read it
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
