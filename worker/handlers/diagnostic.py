"""Implements `diagnostic.*`: task types that behave well or badly on purpose, to try an installation and to measure
it.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from typing import Literal

from pydantic import ConfigDict, Field, JsonValue, field_validator

from taskyard.core.config import settings
from taskyard.core.errors import HandlerCrashed, PermanentError, ResourceLimitError, TransientError
from taskyard.core.humanize import duration
from taskyard.core.task_types.registry import task_type
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.handlers.model import Model

MAX_SECONDS = 24 * 3600.0
MEBIBYTE = 1 << 20
# Signals whose default action does not end a process.
HARMLESS_SIGNALS = frozenset(
    getattr(signal, name)
    for name in ("SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGWINCH", "SIGIO")
)
# Each leaves its parent and its session, and prints its pid before the one that started it ends.
GRANDCHILDREN = """
import os, sys, time
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            print(os.getpid(), flush=True)
            os.close(1)
            time.sleep(float(sys.argv[2]))
        os._exit(0)
    os.wait()
"""


class Empty(Model):
    """No fields."""

    model_config = ConfigDict(extra="forbid")


NOTHING = Empty()


@task_type("diagnostic.noop", isolation="thread", timeout_seconds=60)
def noop(nothing: Empty, context: TaskContext) -> Empty:
    """Does nothing, in a thread of the agent."""
    return NOTHING


@task_type("diagnostic.noop_process", timeout_seconds=60)
def noop_process(nothing: Empty, context: TaskContext) -> Empty:
    """Does nothing, in a child process of the agent."""
    return NOTHING


class Echo(Model):
    """Anything that JSON can hold."""

    model_config = ConfigDict(extra="forbid")
    value: JsonValue = Field(None, description="Returned unchanged")


@task_type("diagnostic.echo", isolation="thread", timeout_seconds=60)
def echo(given: Echo, context: TaskContext) -> Echo:
    """Returns its input."""
    return given


class Sleep(Model):
    """How long to sleep, and how to resist being stopped."""

    model_config = ConfigDict(extra="forbid")
    seconds: float = Field(1.0, ge=0, le=MAX_SECONDS, description="How long to sleep")
    mode: Literal["python", "c", "ignore_sigterm", "grandchildren"] = Field(
        "python",
        description="python: with progress; c: one call of the C library with all signals blocked and the "
        "interpreter locked; ignore_sigterm: with progress, SIGTERM ignored; grandchildren: leaves processes behind "
        "that have left their parent and session",
    )
    grandchildren: int = Field(2, ge=1, le=20, description="Processes that the mode grandchildren leaves behind")


class Slept(Model):
    """The time that it took."""

    seconds: float = Field(description="Measured time")
    left_pids: list[int] = Field(default_factory=list, description="Processes that were left running")


@task_type("diagnostic.sleep", timeout_seconds=300)
def sleep(wanted: Sleep, context: TaskContext) -> Slept:
    """Sleeps, optionally in ways that are hard to stop."""
    started = time.monotonic()
    left: list[int] = []
    if wanted.mode == "c":
        _sleep_in_c(wanted.seconds)
    elif wanted.mode == "ignore_sigterm":
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            _sleep_with_progress(wanted.seconds, context)
        finally:
            signal.signal(signal.SIGTERM, before)
    else:
        if wanted.mode == "grandchildren":
            left = _leave_grandchildren(wanted.grandchildren)
            context.log(f"left running: {' '.join(map(str, left))}")
        _sleep_with_progress(wanted.seconds, context)
    return Slept(seconds=round(time.monotonic() - started, 6), left_pids=left)


def _sleep_with_progress(seconds: float, context: TaskContext) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        context.progress(max(0.0, 1.0 - left / seconds), f"{duration(left)} left")
        time.sleep(min(left, max(0.2, seconds / 100)))


def _sleep_in_c(seconds: float) -> None:
    # PyDLL keeps the interpreter's lock: no other thread of this process runs Python meanwhile.
    pause = ctypes.PyDLL(None).poll
    pause.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pause(None, 0, int(seconds * 1000))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave_grandchildren(count: int) -> list[int]:
    command = [sys.executable, "-I", "-S", "-c", GRANDCHILDREN, str(count), str(MAX_SECONDS)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, text=True)
    return [int(line) for line in done.stdout.split()]


class SleepAsync(Model):
    """How long to sleep."""

    model_config = ConfigDict(extra="forbid")
    seconds: float = Field(1.0, ge=0, le=MAX_SECONDS, description="How long to sleep")


@task_type("diagnostic.sleep_async", timeout_seconds=300)
async def sleep_async(wanted: SleepAsync, context: TaskContext) -> Slept:
    """Sleeps in a coroutine."""
    started = time.monotonic()
    await asyncio.sleep(wanted.seconds)
    return Slept(seconds=round(time.monotonic() - started, 6))


class Fail(Model):
    """How to fail."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal[
        "transient", "permanent", "resource_limit", "exception", "invalid_output", "unstorable", "too_large"
    ] = Field(
        "permanent",
        description="The first three raise the error of that class, exception an unknown error; "
        "the others return something that does not fit the model, that PostgreSQL can't store, or that is too large",
    )
    message: str = Field("failed on purpose", min_length=1, max_length=1000, description="Text of the error")


class FailResult(Model):
    """The result of the kinds that return something."""

    text: str


@task_type("diagnostic.fail", timeout_seconds=60, retry=RetryPolicy(backoff_seconds=0.5, max_backoff_seconds=5))
def fail(wanted: Fail, context: TaskContext) -> FailResult:
    """Fails in the requested way."""
    errors = {
        "transient": TransientError,
        "permanent": PermanentError,
        "resource_limit": ResourceLimitError,
        "exception": RuntimeError,
    }
    if wanted.kind in errors:
        raise errors[wanted.kind](wanted.message)
    if wanted.kind == "invalid_output":
        return {"unexpected": wanted.message}  # type: ignore[return-value]
    if wanted.kind == "unstorable":
        return FailResult(text=f"{wanted.message}\x00")  # NUL: JSON can express it, PostgreSQL can't store it
    return FailResult(text="x" * (settings().output_limit_bytes + 1))


class Crash(Model):
    """How the process that runs the task ends."""

    model_config = ConfigDict(extra="forbid")
    signal_number: int | None = Field(9, ge=1, le=31, description="Signal that it sends itself, e.g. 9 or 11")
    exit_code: int | None = Field(None, ge=0, le=255, description="Exit code, used when there is no signal")

    @field_validator("signal_number")
    @classmethod
    def _ends_a_process(cls, number: int | None) -> int | None:
        if number in HARMLESS_SIGNALS:
            raise ValueError(f"signal {number} does not end a process, expected one that does, e.g. 9 or 11")
        return number


@task_type("diagnostic.crash", timeout_seconds=60, retry=RetryPolicy(backoff_seconds=0.5, max_backoff_seconds=5))
def crash(wanted: Crash, context: TaskContext) -> Empty:
    """Ends its process without an answer."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if wanted.signal_number is None:
        os._exit(wanted.exit_code or 0)
    if wanted.signal_number != signal.SIGKILL:
        signal.signal(wanted.signal_number, signal.SIG_DFL)
    os.kill(os.getpid(), wanted.signal_number)
    raise HandlerCrashed(f"signal {wanted.signal_number} did not end the process")


class Spin(Model):
    """What to use up."""

    model_config = ConfigDict(extra="forbid")
    seconds: float = Field(1.0, ge=0, le=3600, description="How long to compute without a pause")
    allocate_mebibytes: int = Field(0, ge=0, le=1 << 20, description="Memory to allocate and hold, in MiB")


class Spun(Model):
    """The resources that were used up."""

    rounds: int = Field(description="Number of rounds of a fixed computation")
    cpu_seconds: float


@task_type("diagnostic.spin", timeout_seconds=300)
def spin(wanted: Spin, context: TaskContext) -> Spun:
    """Uses CPU, and optionally memory."""
    held = []
    for number in range(wanted.allocate_mebibytes):
        held.append(b"\x01" * MEBIBYTE)
        if number % 64 == 0:
            context.progress(0.0, f"holds {number + 1} MiB")
    started, cpu_started, rounds = time.monotonic(), time.process_time(), 0
    while (elapsed := time.monotonic() - started) < wanted.seconds:
        context.progress(elapsed / wanted.seconds, f"{elapsed:.1f} s")
        stop = min(started + wanted.seconds, time.monotonic() + 0.25)
        while time.monotonic() < stop:
            sum(number * number for number in range(1000))
            rounds += 1
    return Spun(rounds=rounds, cpu_seconds=round(time.process_time() - cpu_started, 6))


class Flaky(Model):
    """When it starts to succeed."""

    model_config = ConfigDict(extra="forbid")
    succeeds_at_attempt: int = Field(2, ge=1, le=100, description="Number of the first attempt that succeeds")


class FlakyResult(Model):
    """The attempt that succeeded."""

    attempt: int


@task_type(
    "diagnostic.flaky",
    timeout_seconds=60,
    retry=RetryPolicy(max_attempts=5, backoff_seconds=0.5, max_backoff_seconds=5),
)
def flaky(wanted: Flaky, context: TaskContext) -> FlakyResult:
    """Fails with a transient error until a given attempt."""
    if context.attempt < wanted.succeeds_at_attempt:
        raise TransientError(f"attempt {context.attempt} fails, attempt {wanted.succeeds_at_attempt} will succeed")
    return FlakyResult(attempt=context.attempt)
