"""Task types that take memory in many ways, each limited; children load this module by its name."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from pydantic import BaseModel

from taskyard.core.task_types.registry import task_type
from taskyard.worker.attempts.context import TaskContext

LIMIT_MIB = 96
MEBIBYTE = 1 << 20
TOO_MUCH = 400 * MEBIBYTE
SLEEP_SECONDS = 30.0  # far beyond what a look takes


class How(BaseModel):
    how: str


class Seen(BaseModel):
    seen: str = ""


def at_once() -> str:
    return str(len(b"x" * TOO_MUCH))


def bit_by_bit() -> str:
    held = []
    while True:
        held.append(b"x" * MEBIBYTE)


def private_mapping() -> str:
    mmap.mmap(-1, TOO_MUCH, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return ""


def shared_mapping() -> str:
    held = mmap.mmap(-1, TOO_MUCH)
    for _ in range(TOO_MUCH // MEBIBYTE):
        held.write(b"x" * MEBIBYTE)
    time.sleep(SLEEP_SECONDS)
    return ""


def caught() -> str:
    try:
        at_once()
    except MemoryError:
        return "went on with less"
    return "was given it"


def caught_by_all() -> str:
    """Swallows everything, and tries again for ever."""
    held = []
    while True:
        try:
            held.append(b"x" * MEBIBYTE)
        except BaseException:
            continue


def forks() -> str:
    """Each is below the limit, together they are not."""
    for _ in range(4):
        if os.fork() == 0:
            held = b"x" * (LIMIT_MIB // 2 * MEBIBYTE)
            time.sleep(SLEEP_SECONDS)
            os._exit(len(held) & 1)
    time.sleep(SLEEP_SECONDS)
    return ""


def forks_that_share() -> str:
    """What is there once, however many have it."""
    held = b"x" * (LIMIT_MIB // 2 * MEBIBYTE)
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            time.sleep(0.5)
            os._exit(0)
        pids.append(pid)
    return str([os.waitpid(pid, 0)[1] for pid in pids] + [len(held) // MEBIBYTE])


GRANDCHILD = f"""
import os, time
if os.fork() == 0:
    os.setsid()
    held = [b"x" * {LIMIT_MIB // 3 * MEBIBYTE} for _ in range(4)]
    time.sleep({SLEEP_SECONDS})
"""


def daemon() -> str:
    subprocess.run([sys.executable, "-c", GRANDCHILD], check=True)
    time.sleep(SLEEP_SECONDS)
    return ""


PROGRAM = f"import time; held = b'x' * {LIMIT_MIB // 2 * MEBIBYTE}; time.sleep({SLEEP_SECONDS})"


def programs() -> str:
    """Each is below the limit, together they are not."""
    started = [subprocess.Popen([sys.executable, "-c", PROGRAM]) for _ in range(4)]
    for program in started:
        program.wait()
    return ""


def below() -> str:
    return str(len(b"x" * (LIMIT_MIB // 2 * MEBIBYTE)))


def threads() -> str:
    """Stacks are large, and hardly used."""
    ready = threading.Barrier(7)
    started = [threading.Thread(target=ready.wait) for _ in range(6)]
    for thread in started:
        thread.start()
    ready.wait()
    for thread in started:
        thread.join()
    return "7"


def killed() -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


WAYS: dict[str, Callable[[], str]] = {
    way.__name__: way
    for way in (
        at_once,
        bit_by_bit,
        private_mapping,
        shared_mapping,
        caught,
        caught_by_all,
        forks,
        forks_that_share,
        daemon,
        programs,
        below,
        threads,
        killed,
    )
}


@task_type("memory.limited", timeout_seconds=60, memory_limit_mib=LIMIT_MIB)
def limited(given: How, context: TaskContext) -> Seen:
    return Seen(seen=WAYS[given.how]())


@task_type("memory.free", timeout_seconds=60)
def free(given: How, context: TaskContext) -> Seen:
    return Seen(seen=WAYS[given.how]())
