"""Task types of the benchmark of placement policies: two that take a fixed time, one of them longer on a slow agent."""

from __future__ import annotations

import os
import time

from pydantic import BaseModel

from taskyard.core.task_types.registry import Isolation, task_type
from taskyard.worker.attempts.context import TaskContext

SHORT_SECONDS, LONG_SECONDS = 0.02, 0.4
SLOWNESS = "BENCH_SLOWNESS"  # the factor by which this agent is slower at long tasks


class Nothing(BaseModel):
    """No input, and no output."""


@task_type("bench.short", isolation=Isolation.THREAD)
def short(given: Nothing, context: TaskContext) -> Nothing:
    """Takes 20 ms."""
    time.sleep(SHORT_SECONDS)
    return given


@task_type("bench.long", isolation=Isolation.THREAD)
def long(given: Nothing, context: TaskContext) -> Nothing:
    """Takes 400 ms, or longer on an agent that is slow at it."""
    time.sleep(LONG_SECONDS * float(os.environ.get(SLOWNESS, "1")))
    return given
