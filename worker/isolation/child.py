"""Manages a handler's child process for its slot: frames, output and its end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import struct
import tempfile
from pathlib import Path

from taskyard.worker.isolation.fork_server import UNKNOWN_STATUS, ForkServer, ForkServerLost
from taskyard.worker.isolation.frames import FrameStream
from taskyard.worker.isolation.output_pipes import OutputPipes

SEND_SECONDS = 5  # for a child that does not read
CRASH_TEXT_BYTES = 16384


class ChildFailed(Exception):
    """Raised if the child could not be started."""


class ModulesRefused(ChildFailed):
    """Raised if the child could not load its task modules; another agent process could not either."""


class Child:
    """A child process and the three things its slot waits for: frames, its death, and a wake-up."""

    def __init__(self, fork_server: ForkServer) -> None:
        """Starts it. Raises ForkServerLost, or OSError without a descriptor, a process or room for its crash file."""
        self._fork_server = fork_server
        self._oom_kills = _oom_kills()
        self.cpu_seconds = 0.0  # what it had used at the end of its last task
        self._pidfd: int | None = None
        self._poll = select.poll()
        with contextlib.ExitStack() as opened:
            self._crash_file = opened.enter_context(tempfile.TemporaryFile())
            self.output = OutputPipes()
            opened.callback(self.output.close)
            own_end, other_end = socket.socketpair()
            opened.enter_context(own_end)
            with other_end:
                self._wake_read, self._wake_write = os.pipe()
                for descriptor in (self._wake_read, self._wake_write):
                    opened.callback(os.close, descriptor)
                    os.set_blocking(descriptor, False)
                own_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", SEND_SECONDS, 0))
                self.stream = FrameStream(own_end)
                self.pid = fork_server.fork(other_end, self._crash_file.fileno(), *self.output.write_ends)
            self.output.close_write_ends()
            self.output.register(self._poll)
            # A process that the handler forked may keep the socket open, so the socket's end is no sign of a death.
            with contextlib.suppress(AttributeError, OSError):  # macOS, Linux before 5.3: the socket's end has to do
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
        """Waits for a frame's bytes, output, a wake-up or the time; returns False if the child is dead and all was
        read.
        """
        ready = {descriptor for descriptor, _ in self._poll.poll(max(0.0, seconds) * 1000)}
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        self.output.read(ready, self._poll)
        if self.stream.connection.fileno() in ready:
            return self.stream.fill(wait=False)
        return self._pidfd not in ready

    def is_alive(self) -> bool:
        """Returns True if it waits for a task."""
        return self.wait(0)

    def stop(self) -> tuple[str, bool, str]:
        """Kills it with all its descendants. Returns its status, whether it ran out of memory, and its last stacks."""
        try:
            status = self._fork_server.stop(self.pid)
        except ForkServerLost:
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
        self.output.close()
        self._crash_file.close()
        for descriptor in (self._wake_read, self._wake_write, self._pidfd):
            if descriptor is not None:
                os.close(descriptor)


def _ending(status: int) -> str:
    if status == UNKNOWN_STATUS:
        return "was lost together with its fork server"
    code = os.waitstatus_to_exitcode(status)
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _oom_kills() -> int:
    """Returns how often this kernel killed a process for lack of memory (Linux 4.13 and newer, else 0)."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="utf-8").splitlines()
    except OSError:  # there is none, or no descriptor is left to read it
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
