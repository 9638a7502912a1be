"""Handlers that note that they were started, in a file that all of them share."""

from __future__ import annotations

import os
import time

from pydantic import BaseModel

from taskyard.worker.attempts.context import TaskContext
from tests.task_types.models import Nothing, both


class Ledger(BaseModel):
    path: str
    seconds: float = 0.0


@both("note")
def note(given: Ledger, context: TaskContext) -> Nothing:
    """Writes a line for this start, then takes its time."""
    file = os.open(given.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{context.task_id} {context.attempt}\n".encode())
    os.close(file)
    time.sleep(given.seconds)
    return Nothing()
