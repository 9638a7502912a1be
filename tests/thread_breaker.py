"""A task module that sends exceptions into threads of the worker and of agents, as files in a folder ask for.

A file BREAK/<name> with the name of a thread breaks it in every process that has one; each says so by a file
<name>.<pid>. Also makes what health waits for short, so that tests need not wait as long as people.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
import time
from pathlib import Path

from pydantic import BaseModel

from taskyard.core.task_types.registry import RetryPolicy, task_type
from taskyard.worker.attempts.context import TaskContext

FOLDER = "TASKYARD_TEST_BREAK_FOLDER"
STALLED_SECONDS = 4.0
SILENT_SECONDS = 3.0


class Broken(Exception):
    """What is sent."""


class Nothing(BaseModel):
    """No fields."""


log = logging.getLogger("taskyard.worker.test")
QUICK = RetryPolicy(max_attempts=10, backoff_seconds=0.1)


@task_type("broken.thread", isolation="thread", retry=QUICK)
def in_thread(given: Nothing, context: TaskContext) -> Nothing:
    """Runs in a slot's thread; what it logs wakes the outbox."""
    context.log("here")
    return given


@task_type("broken.process", retry=QUICK)
def in_process(given: Nothing, context: TaskContext) -> Nothing:
    """Runs in a child of its slot."""
    return given


@task_type("broken.async", retry=QUICK)
async def in_loop(given: Nothing, context: TaskContext) -> Nothing:
    """Runs on the loop."""
    return given


def _break(folder: Path) -> None:
    broken: set[str] = set()
    while True:
        for asked in [path.name for path in folder.iterdir() if "." not in path.name]:
            for thread in threading.enumerate():
                if thread.name == asked and asked not in broken and thread.ident is not None:
                    broken.add(asked)
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Broken))
                    log.warning("thread %s is broken", asked)  # also for who ships the log's lines
                    (folder / f"{asked}.{os.getpid()}").touch()
        time.sleep(0.05)


if Path(sys.argv[0]).name in ("__main__.py", "main.py") and os.environ.get(FOLDER):  # no child of a slot
    from taskyard.worker.agents import base, pool
    from taskyard.worker.monitor import health

    health.STALLED_SECONDS = STALLED_SECONDS
    base.SILENT_SECONDS = pool.SILENT_SECONDS = pool.ALL_UNWELL_SECONDS = SILENT_SECONDS
    threading.Thread(target=_break, args=(Path(os.environ[FOLDER]),), name="breaker", daemon=True).start()
