"""A slot's child process: takes one task after another and runs its handler in its main thread."""

from __future__ import annotations

import faulthandler
import importlib
import os
import resource
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from core.errors import HandlerError, TransientError
from core.registry import registry
from worker.agents.descendants import become_subreaper, die_with_parent, has_children, kill_children
from worker.agents.execution import Outcome, Run, context_of, execute
from worker.agents.frames import Cancel, Done, Emit, FrameStream, Ready, Reply, Request, Start
from worker.handlers.proctree import LINUX, resident_bytes

MAX_TASKS = 1000
MAX_GROWTH_BYTES = 256 << 20
OOM_SCORE = 500  # of 1000: when memory runs out, handlers go before agents and databases
_RSS_UNIT_BYTES = 1024 if LINUX else 1  # of ru_maxrss, see getrusage(2)
_ERRORS = {error.error_class.value: error for error in (HandlerError, *HandlerError.__subclasses__())}


def main(
    keeper_pid: int, connection: int, crash_file: int, modules: Sequence[str], output_limit_bytes: int
) -> NoReturn:
    """Serves the agent on the socket `connection` until it closes; never returns."""
    status = 1
    try:
        _prepare(keeper_pid, crash_file)
        stream = FrameStream(socket.socket(fileno=connection))
        problem = _load(modules)
        stream.send(Ready(problem))
        if problem is None:
            _serve(stream, output_limit_bytes)
        status = 0
    except (BrokenPipeError, ConnectionResetError):
        status = 0  # the agent is gone, which is an ordinary end
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)  # not through the keeper's frames, nor its exit handlers


class PipeChannel:
    """The channel of a handler in a child: over the socket to its agent."""

    def __init__(self, stream: FrameStream, run: Run) -> None:
        self._stream = stream
        self._run = run
        self._reading = threading.Lock()
        self._is_cancelled = False
        self._closed = False

    def emit(self, message: dict[str, Any]) -> None:
        """Sends a report."""
        self._check_open()
        self._stream.send(Emit(message))

    def request(self, message: dict[str, Any]) -> Any:
        """Sends a request and waits for its answer."""
        self._check_open()
        with self._reading:
            self._stream.send(Request(message))
            while not isinstance(frame := self._stream.receive(), Reply):
                if frame is None:
                    raise ConnectionResetError("the agent has ended")
                self._note(frame)
        if frame.error_class is None:
            return frame.result
        raise _ERRORS.get(frame.error_class, TransientError)(frame.error_message)

    def is_cancelled(self) -> bool:
        """Whether a cancel has arrived."""
        # A thread that waits for a reply reads the cancel too.
        if not self._is_cancelled and self._reading.acquire(blocking=False):
            try:
                while self._stream.fill(wait=False):
                    pass
                while (frame := self._stream.next()) is not None:
                    self._note(frame)
            finally:
                self._reading.release()
        return self._is_cancelled

    def close(self) -> None:
        """Ends it: a thread that outlives its task must not write into the next one's history."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise TransientError(f"task {self._run.task_id} is over: its context can't be used any more")

    def _note(self, frame: object) -> None:
        run = self._run
        if isinstance(frame, Cancel) and (frame.task_id, frame.attempt) == (run.task_id, run.attempt):
            self._is_cancelled = True


class Meter:
    """CPU time and memory of one task after another in this process and the children it waited for."""

    def __init__(self) -> None:
        # Writing 5 resets the kernel's high-water mark of memory, so that it is the task's own: proc(5).
        self._reset = os.open("/proc/self/clear_refs", os.O_WRONLY) if LINUX else None
        self.begin()

    def begin(self) -> None:
        """Starts counting for a task."""
        if self._reset is not None:
            os.write(self._reset, b"5")
        self._cpu_seconds, _, self._children_peak_bytes = self._read()

    def end(self, outcome: Outcome) -> None:
        """Writes what the task used into its outcome."""
        cpu_seconds, peak_bytes, children_peak_bytes = self._read()
        outcome.cpu_seconds = cpu_seconds - self._cpu_seconds
        grew = children_peak_bytes > self._children_peak_bytes
        outcome.peak_memory_bytes = int(max(peak_bytes, children_peak_bytes) if grew else peak_bytes)

    @staticmethod
    def _read() -> tuple[float, float, float]:
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_seconds = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
        return cpu_seconds, own.ru_maxrss * _RSS_UNIT_BYTES, children.ru_maxrss * _RSS_UNIT_BYTES


def _serve(stream: FrameStream, output_limit_bytes: int) -> None:
    meter = Meter()
    first_bytes = resident_bytes(os.getpid())
    done = 0
    while (frame := stream.receive()) is not None:
        if not isinstance(frame, Start):
            continue  # a cancel that came too late
        run = frame.run
        channel = PipeChannel(stream, run)
        meter.begin()
        outcome = execute(registry.get(run.type), run, context_of(run, channel), output_limit_bytes)
        channel.close()
        if has_children():
            kill_children()
        meter.end(outcome)
        done += 1
        retiring = done >= MAX_TASKS or threading.active_count() > 1 or _has_grown(outcome, first_bytes)
        stream.send(Done(outcome, retiring))
        if retiring:
            return


def _has_grown(outcome: Outcome, first_bytes: int) -> bool:
    # The peak is at hand; the size now costs a look into /proc.
    limit_bytes = first_bytes + MAX_GROWTH_BYTES
    return (outcome.peak_memory_bytes or 0) > limit_bytes and resident_bytes(os.getpid()) > limit_bytes


def _prepare(keeper_pid: int, crash_file: int) -> None:
    die_with_parent(keeper_pid)
    become_subreaper()
    faulthandler.enable(crash_file)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    # A handler that forks without exec gets the usual meaning of signals back.
    os.register_at_fork(after_in_child=_default_signals)
    if LINUX:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(str(OOM_SCORE))


def _default_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _load(modules: Sequence[str]) -> str | None:
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:
            return f"task module {module!r} does not import: {type(error).__name__}: {error}"
    return None
