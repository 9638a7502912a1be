"""Handlers that print, and those that break their standard streams."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import subprocess
import sys
import threading
import time

from taskyard.core.task_types.registry import task_type
from taskyard.worker.attempts.context import TaskContext
from tests.task_types.models import Case, Nothing, Seconds, both


def _print(case: str) -> None:
    if case == "both":
        print("to output")
        print("to error", file=sys.stderr)
        logging.getLogger("acme.client").warning("by a logger")
    elif case == "thread":
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
    elif case == "program":
        subprocess.run(["sh", "-c", "echo from a program; echo and its error >&2"], check=True)
    elif case == "descriptor":
        os.write(1, b"past Python\n")
    elif case == "odd":
        sys.stdout.buffer.write(b"\xff\xfe\x00 odd\n")
        sys.stdout.write("half \ud800\n")
        sys.stdout.flush()
    elif case == "long line":
        sys.stdout.write("x" * 10_000_000 + "the end")
    elif case == "flood":
        line = "y" * 99 + "\n"
        for _ in range(100):
            sys.stdout.write(line * 10_000)
        print("the end")
    elif case == "secret":
        print("password=hunter2")


def _break_streams(case: str) -> None:
    if case == "close":
        sys.stdout.close()
        sys.stderr.close()
    elif case == "replace":
        sys.stdout = sys.stderr = io.StringIO()
        print("into nowhere")
    elif case == "none":
        sys.stdout = sys.stderr = None  # type: ignore[assignment]
        print("into nowhere")
    elif case == "delete":
        del sys.stdout
    elif case == "descriptors":
        os.close(1)
        os.close(2)


@both("prints")
def prints(given: Case, context: TaskContext) -> Nothing:
    _print(given.case)
    return Nothing()


@task_type("async.prints")
async def async_prints(given: Case, context: TaskContext) -> Nothing:
    if given.case == "thread":
        await asyncio.to_thread(print, "from a thread")
        await asyncio.get_running_loop().run_in_executor(None, print, "and from another")
    else:
        await asyncio.sleep(0)
        _print(given.case)
    return Nothing()


@both("breaks_streams")
def breaks_streams(given: Case, context: TaskContext) -> Nothing:
    _break_streams(given.case)
    return Nothing()


@task_type("async.breaks_streams")
async def async_breaks_streams(given: Case, context: TaskContext) -> Nothing:
    _break_streams(given.case)
    await asyncio.sleep(0.05)
    return Nothing()


@both("prints_and_waits")
def prints_and_waits(given: Seconds, context: TaskContext) -> Nothing:
    print("begun")
    time.sleep(given.seconds)
    return Nothing()


@both("prints_forever")
def prints_forever(given: Nothing, context: TaskContext) -> Nothing:
    while True:
        print("again")


@task_type("async.prints_forever")
async def async_prints_forever(given: Nothing, context: TaskContext) -> Nothing:
    while True:
        print("again")
