"""The traced no-op type. Its module is loaded by the worker and by agents, and puts the boundaries into them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pydantic import BaseModel

from taskyard.core.task_types.registry import Isolation, task_type
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.devtools.bench.trace import points
from taskyard.worker.devtools.bench.trace.recorder import FOLDER, Recorder

TRACED = "bench.traced"


class Nothing(BaseModel):
    """No input, and no output."""


def _recorder() -> Recorder:
    is_agent = "taskyard.worker.agents.main" in " ".join(sys.orig_argv)
    recorder = Recorder("agent" if is_agent else "worker")
    if folder := os.environ.get(FOLDER):
        (points.of_agent if is_agent else points.of_worker)(recorder, Path(folder))
        recorder.watch_collections()
    return recorder


recorder = _recorder()


@task_type(TRACED, isolation=Isolation.THREAD)
def traced(given: Nothing, context: TaskContext) -> Nothing:
    """Marks its start."""
    recorder.mark("started", [context.task_id])
    return given
