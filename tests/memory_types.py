"""Task types with a limit of memory; children load this module by its name."""

from __future__ import annotations

import contextlib
import mmap
import os
import subprocess
import sys
import time

from pydantic import BaseModel

from core.registry import task_type
from worker.agents.context import TaskContext

LIMIT_MIB = 150
LASTING_SECONDS = 20


class Use(BaseModel):
    mebibytes: int
    how: str = "python"
    seconds: float = LASTING_SECONDS


class Used(BaseModel):
    done: bool = True


@task_type("memory.limited", memory_limit_mib=LIMIT_MIB)
def use(given: Use, context: TaskContext) -> Used:
    """Takes memory in one of several ways, and holds it."""
    size = given.mebibytes << 20
    held: list[object] = []
    if given.how == "python":
        with contextlib.suppress(MemoryError):
            held += [b"x" * (1 << 20) for _ in range(given.mebibytes)]
    elif given.how == "mapped":  # what no allocator of Python knows of
        mapped = mmap.mmap(-1, size)
        mapped.write(b"x" * size)
        held.append(mapped)
    elif given.how == "children":
        code = f"import time; kept = b'x' * {size // 4}; time.sleep({LASTING_SECONDS})"
        held += [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    elif given.how == "forked" and os.fork() == 0:
        held.append(b"x" * size)
        time.sleep(LASTING_SECONDS)
        os._exit(0)
    time.sleep(given.seconds)
    return Used()
