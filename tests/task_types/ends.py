"""Handlers that fail, die, or leave processes and threads behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from taskyard.core.errors import PermanentError
from taskyard.core.task_types.registry import task_type
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.isolation.watch import HandlerTimedOut
from tests.task_types.models import Case, Fussy, Nothing, Number, Where, both


@both("die")
def die(given: Case, context: TaskContext) -> Nothing:
    if given.case == "os._exit":
        os._exit(7)
    if given.case == "segfault":
        ctypes.string_at(8)
    if given.case == "sys.exit":
        sys.exit(3)
    if given.case == "interrupt":
        raise KeyboardInterrupt
    if given.case == "memory":
        bytearray(1 << 60)
    if given.case == "permanent":
        raise PermanentError("no use")
    if given.case == "secret":
        raise RuntimeError("could not connect to postgresql://me:hunter2@host/db \x00 \ud800 " + "x" * 10_000)
    raise ValueError("bad luck")


GRANDCHILD = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
open(sys.argv[1], "a").write(f"{os.getpid()}\\n")
time.sleep(600)
"""


@both("leave_grandchild")
def leave_grandchild(given: Where, context: TaskContext) -> Nothing:
    """Leaves a daemon behind; waits for ever, or ends as the end of the path says."""
    subprocess.run([sys.executable, "-c", GRANDCHILD, given.path], check=True)
    while not Path(given.path).exists() or not Path(given.path).read_text().endswith("\n"):
        time.sleep(0.005)
    if given.path.endswith("crash"):
        os._exit(1)
    while not given.path.endswith("return"):
        time.sleep(1)
    return Nothing()


@both("fork_and_die")
def fork_and_die(given: Where, context: TaskContext) -> Nothing:
    """A forked process holds the protocol's socket open while its parent dies."""
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
    Path(given.path).write_text(f"{pid}\n")
    os._exit(5)


@both("fork_and_return")
def fork_and_return(given: Number, context: TaskContext) -> Number:
    """Both processes come back from the handler, one of them by mistake; returns how that one ended."""
    pid = os.fork()
    if pid == 0:
        return given
    _, status = os.waitpid(pid, 0)
    return Number(number=os.waitstatus_to_exitcode(status))


@both("leave_thread")
def leave_thread(given: Nothing, context: TaskContext) -> Number:
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    return Number(number=os.getpid())


@both("pid")
def pid(given: Nothing, context: TaskContext) -> Number:
    return Number(number=os.getpid())


@both("allocate")
def allocate(given: Number, context: TaskContext) -> Number:
    return Number(number=len(bytearray(given.number)))


@both("recurse")
def recurse(given: Number, context: TaskContext) -> Number:
    """Fails with a traceback of many different lines."""
    if given.number >= 200:
        raise ValueError("the innermost")
    scope: dict[str, Any] = {"recurse": recurse, "given": Number(number=given.number + 1), "context": context}
    exec(f"def f{given.number}(): return recurse(given, context)\nresult = f{given.number}()", scope)
    return scope["result"]


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@both("mute_error")
def mute_error(given: Nothing, context: TaskContext) -> Nothing:
    raise MuteError


@task_type("thread.stopped", isolation="thread")
def stopped(given: Nothing, context: TaskContext) -> Nothing:
    raise HandlerTimedOut


@both("fussy")
def fussy(given: Fussy, context: TaskContext) -> Nothing:
    return Nothing()


@task_type("process.write_garbage")
def write_garbage(given: Nothing, context: TaskContext) -> Nothing:
    """Writes what is no frame into every socket of its process."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own descriptor
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                os.write(int(name), b"\xff" * 8)
    time.sleep(600)
    return Nothing()


@task_type("thread.close_descriptors", isolation="thread")
def close_descriptors(given: Nothing, context: TaskContext) -> Nothing:
    """As daemons do it for themselves; these are the agent's."""
    os.closerange(3, 1024)
    return Nothing()
