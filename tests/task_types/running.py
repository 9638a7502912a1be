"""Handlers that take time, in threads and processes: idle, busy, deaf to their end."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from pathlib import Path

from pydantic import BaseModel

from taskyard.core.task_types.registry import task_type
from taskyard.worker.attempts.context import TaskContext
from tests.task_types.models import Nothing, Number, Seconds, Where, both


@both("noop")
def noop(given: Number, context: TaskContext) -> Number:
    return given


@both("sleep")
def sleep(given: Seconds, context: TaskContext) -> Nothing:
    time.sleep(given.seconds)
    return Nothing()


@both("gil_sleep")
def gil_sleep(given: Seconds, context: TaskContext) -> Nothing:
    """Keeps the interpreter from everybody else in its process."""
    ctypes.PyDLL(None).usleep(int(given.seconds * 1_000_000))
    return Nothing()


@both("c_sleep")
def c_sleep(given: Seconds, context: TaskContext) -> Nothing:
    ctypes.CDLL(None).usleep(int(given.seconds * 1_000_000))
    return Nothing()


@both("spin")
def spin(given: Nothing, context: TaskContext) -> Nothing:
    while True:
        pass


@both("spin_briefly")
def spin_briefly(given: Seconds, context: TaskContext) -> Number:
    until = time.perf_counter() + given.seconds
    turns = 0
    while time.perf_counter() < until:
        turns += 1
    return Number(number=turns)


@both("swallow")
def swallow(given: Nothing, context: TaskContext) -> Nothing:
    while True:
        try:
            time.sleep(0.001)
            raise ValueError("again")
        except Exception:
            continue


@both("swallow_all")
def swallow_all(given: Seconds, context: TaskContext) -> Nothing:
    until = time.monotonic() + given.seconds
    while time.monotonic() < until:
        try:
            time.sleep(0.001)
        except BaseException:
            continue
    return Nothing()


@both("masked")
def masked(given: Nothing, context: TaskContext) -> Nothing:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        time.sleep(0.05)


@both("wait_for_cancel")
def wait_for_cancel(given: Where, context: TaskContext) -> Nothing:
    Path(given.path).write_text("started")
    while not context.cancelled:
        time.sleep(0.005)
    Path(given.path).write_text("cleaned up")
    context.raise_if_cancelled()
    return Nothing()


class Work(BaseModel):
    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    in_child: bool = False


@task_type("thread.work", isolation="thread", timeout_seconds=60)
def work_in_thread(given: Work, context: TaskContext) -> Number:
    return _work(given)


@task_type("process.work", timeout_seconds=60)
def work_in_process(given: Work, context: TaskContext) -> Number:
    if given.in_child:
        burn = "import time\nwhile time.process_time() < %r: pass" % given.cpu_seconds  # noqa: UP031
        subprocess.run([sys.executable, "-c", burn], check=True)
        return Number()
    return _work(given)


def _work(given: Work) -> Number:
    held = b"x" * given.memory_bytes
    until = time.thread_time() + given.cpu_seconds
    while time.thread_time() < until:
        pass
    return Number(number=len(held))
