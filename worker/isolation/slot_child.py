"""Runs a slot's child process: takes one task after another and runs its handler in its main thread."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from taskyard.core.errors import (
    ConfigurationError,
    PermanentError,
    TransientError,
    UnknownTaskType,
)
from taskyard.core.payload.storable_text import storable
from taskyard.core.private_files import refuse_inspection
from taskyard.core.protocol import MAX_TEXT_LENGTH, AttemptEnd, Run
from taskyard.core.task_types.registry import registry
from taskyard.worker.attempts.execution import cannot_run, context_of, execute
from taskyard.worker.isolation.attempt_usage import Meter, highest_resident_bytes
from taskyard.worker.isolation.frames import Cancel, Emit, End, FrameStream, Loading, Ready, Reply, Request, Start
from taskyard.worker.isolation.kernel import LINUX
from taskyard.worker.isolation.memory import memory_limit
from taskyard.worker.isolation.process_tree import die_with_parent, has_children, kill_children, set_subreaper
from taskyard.worker.isolation.process_usage import resident_bytes
from taskyard.worker.isolation.standard_streams import StandardStreams
from taskyard.worker.logging.context import bind_attempt

MAX_TASKS = 1000
MAX_GROWTH_BYTES = 256 << 20
OOM_SCORE = 500  # of 1000: when memory runs out, handlers are killed before agents and databases


def main(
    fork_server_pid: int,
    connection: int,
    crash_file: int,
    output: int,
    errors: int,
    modules: Sequence[str],
    output_limit_bytes: int,
) -> NoReturn:
    """Serves the agent on the socket `connection` until it closes; never returns."""
    status = 1
    try:
        streams = StandardStreams(output, errors)
        streams.renew()
        _prepare(fork_server_pid, crash_file)
        stream = FrameStream(socket.socket(fileno=connection))
        try:
            registry.load(modules, on_slow=lambda remark: stream.send(Loading(remark)))
        except ConfigurationError as error:
            stream.send(Ready(str(error)))
        else:
            stream.send(Ready())
            _serve(stream, streams, output_limit_bytes)
        status = 0
    except (BrokenPipeError, ConnectionResetError):
        status = 0  # the agent is gone, which is a normal end
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)  # not through the fork server's frames, nor its exit handlers


class PipeChannel:
    """Connects a handler in a child to its agent, over the socket."""

    def __init__(self, stream: FrameStream, run: Run) -> None:
        self._stream = stream
        self._run = run
        self._reading = threading.Lock()
        self._is_cancelled = False
        self._closed = False

    def emit(self, message: dict[str, Any]) -> None:
        """Sends a report with its texts in storable form."""
        texts = {key: storable(value, 4 * MAX_TEXT_LENGTH) for key, value in message.items() if type(value) is str}
        self._send(Emit(message | texts))

    def request(self, message: dict[str, Any]) -> Any:
        """Sends a request and waits for its answer; raises PermanentError if it can't be sent as it is."""
        with self._reading:
            self._send(Request(message))
            while not isinstance(frame := self._stream.receive(), Reply):
                if frame is None:
                    raise ConnectionResetError("the agent has ended")
                self._note(frame)
        return frame.value

    def is_cancelled(self) -> bool:
        """Returns True if a cancel has arrived."""
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
        """Closes the channel: a thread that outlives its task must not write into the next one's history."""
        self._closed = True

    def _send(self, frame: Emit | Request) -> None:
        if self._closed:
            raise TransientError(f"task {self._run.task_id} is over: its context can no longer be used")
        try:
            self._stream.send(frame)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise PermanentError(f"{frame.message['kind']}: not JSON: {error}") from None

    def _note(self, frame: object) -> None:
        run = self._run
        if isinstance(frame, Cancel) and (frame.task_id, frame.attempt) == (run.task_id, run.attempt):
            self._is_cancelled = True


def _serve(stream: FrameStream, streams: StandardStreams, output_limit_bytes: int) -> None:
    limit_bytes = resident_bytes(os.getpid()) + MAX_GROWTH_BYTES
    meter = Meter()
    ended = 0
    while (frame := stream.receive()) is not None:
        if not isinstance(frame, Start):
            continue  # a cancel that came too late
        streams.renew()
        done = _run(stream, frame.run, output_limit_bytes)
        streams.flush()
        if has_children():
            kill_children()
        meter.charge(done)
        ended += 1
        retiring = ended >= MAX_TASKS or threading.active_count() > 1 or _is_bigger(limit_bytes)
        stream.send(End.of(done, retiring, meter.cpu_seconds))
        if retiring:
            return


def _run(stream: FrameStream, run: Run, output_limit_bytes: int) -> AttemptEnd:
    try:
        task_type = registry.get(run.task_type)
    except UnknownTaskType:  # its module differs from the one the agent started with
        return cannot_run(run, f"its handler processes no longer know type {run.task_type}")
    channel = PipeChannel(stream, run)
    bind_attempt(run)
    limit_mib = task_type.memory_limit_mib
    confined = None if limit_mib is None else memory_limit(limit_mib)
    try:
        return execute(task_type, run, context_of(run, channel), output_limit_bytes, confined)
    finally:
        bind_attempt(None)
        channel.close()


def _is_bigger(limit_bytes: int) -> bool:
    # The peak size is available at once; the current size costs a read of /proc.
    return highest_resident_bytes() > limit_bytes and resident_bytes(os.getpid()) > limit_bytes


def _prepare(fork_server_pid: int, crash_file: int) -> None:
    die_with_parent(fork_server_pid)
    set_subreaper(True)
    faulthandler.enable(crash_file)
    # A handler that forks without exec gets the usual meaning of signals back.
    os.register_at_fork(after_in_child=_default_signals)
    if LINUX:
        with open("/proc/self/oom_score_adj", "w", encoding="utf-8") as file:
            file.write(str(OOM_SCORE))
    if os.geteuid() == 0:  # other users would lose files of their own in /proc that the meter needs
        refuse_inspection()


def _default_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
