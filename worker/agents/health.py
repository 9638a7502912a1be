"""Sends an agent's health to its pool: one line of JSON a second, down a pipe that needs no server."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable

import msgspec

from taskyard.core import threads
from taskyard.core.declarations import one_line
from taskyard.core.threads import OnEscape, start_thread

INTERVAL_SECONDS = 1.0
SILENT_SECONDS = 10.0  # without a line to its pool, reading its inbox or being heard: it does no work
MAX_REASON_LENGTH = 500  # characters; a line of less than PIPE_BUF bytes is written as a whole
_READ_BYTES = 1 << 16


class AgentReport(msgspec.Struct, array_like=True):
    """An agent's health: why it does no work, whether it takes new work, uncaught exceptions of its threads.

    It `is_online` once the leader has welcomed it. A process that fails says why with `failure` instead.
    """

    problems: list[str]
    takes_work: bool
    escapes: dict[str, int]
    is_online: bool = False
    failure: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AgentReport).decode


class HealthSender:
    """The agent's side: sends the results of `look` until it is closed."""

    def __init__(self, descriptor: int, report: Callable[[], AgentReport]) -> None:
        self._descriptor, self._report = descriptor, report
        self._closing = threading.Event()
        os.set_blocking(descriptor, False)
        os.set_inheritable(descriptor, False)  # processes started by this one must not keep the pipe open

    def start(self) -> None:
        """Starts sending. Raises RuntimeError if the system can't start a thread."""
        start_thread("health", self._run, OnEscape.END_PROCESS, is_essential=True, is_over=self._closing.is_set)

    def close(self) -> None:
        """Stops sending."""
        self._closing.set()

    def _run(self) -> None:
        while True:
            try:
                os.write(self._descriptor, _encode(self._report()) + b"\n")
            except BlockingIOError:
                pass  # the pool has not read for minutes; the next line says the same
            except BrokenPipeError:
                return  # the pool is gone, and this process ends soon
            if self._closing.wait(INTERVAL_SECONDS):
                return


class HealthReceiver:
    """The pool's side for one process: the last report, and its arrival (monotonic seconds)."""

    def __init__(self) -> None:
        """Raises OSError if no descriptor is left."""
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._begun = b""
        self.report: AgentReport | None = None
        self.failure = ""  # why its process ends, in its own words
        self.heard_at = time.monotonic()

    def hear(self) -> None:
        """Reads what has arrived."""
        try:
            data = os.read(self._read_end, _READ_BYTES)
        except BlockingIOError:
            return
        lines = (self._begun + data).split(b"\n")
        self._begun = lines.pop()
        for report in map(_decode, lines):
            self.heard_at = time.monotonic()
            if report.failure:
                self.failure = report.failure
            else:
                self.report = report

    @property
    def silence_seconds(self) -> float:
        """Returns the seconds since the last report, or the start."""
        return time.monotonic() - self.heard_at

    def close_write_end(self) -> None:
        """Closes this process's copy of the write end."""
        os.close(self.write_end)

    def close(self) -> None:
        """Closes the receiver after the process has ended."""
        os.close(self._read_end)


def report_of(problems: list[str], takes_work: bool, is_online: bool) -> AgentReport:
    """Returns a report that includes the problems of this process's threads."""
    found = [*problems, *threads.problems()]
    return AgentReport(found, takes_work and not found, threads.escapes(), is_online)


def tell_failure(descriptor: int, reason: str) -> None:
    """Tells the pool why this process ends, before it does; a pool that is gone need not know."""
    report = AgentReport([], False, {}, failure=one_line(reason, MAX_REASON_LENGTH))
    with contextlib.suppress(BrokenPipeError, BlockingIOError):
        os.write(descriptor, _encode(report) + b"\n")
