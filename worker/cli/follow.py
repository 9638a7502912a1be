"""Follows a task until it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from taskyard.core.models import Task
from taskyard.core.payload.printable_text import visible
from taskyard.core.states import TERMINAL, TaskState
from taskyard.worker.cli.exits import say
from taskyard.worker.cli.ports.tasks import ShownTask, TaskPort

FIRST_PAUSE_SECONDS = 0.02
LAST_PAUSE_SECONDS = 0.5
Teller = Callable[[Task, str | None], None]


def follow(tasks: TaskPort, task_id: str, timeout_seconds: float | None) -> ShownTask:
    """Waits until the task ends or the time is over, prints its progress on stderr, returns its state.

    Raises TaskNotFound or Unavailable.
    """
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    pause = FIRST_PAUSE_SECONDS
    with _progress_bar() if sys.stderr.isatty() else _lines() as tell:
        while True:
            shown = tasks.get(task_id)
            task, why, _ = shown
            tell(task, why)
            left = LAST_PAUSE_SECONDS if deadline is None else deadline - time.monotonic()
            if task.state in TERMINAL or left <= 0:
                return shown
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, LAST_PAUSE_SECONDS)


@contextmanager
def _lines() -> Iterator[Teller]:
    """Prints one line for each change of state."""
    last: TaskState | None = None

    def tell(task: Task, why: str | None) -> None:
        nonlocal last
        if task.state != last:
            say(f"{task.id} {task.state}" + (f": {why}" if why else ""))
        last = task.state

    yield tell


@contextmanager
def _progress_bar() -> Iterator[Teller]:
    columns = [
        SpinnerColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}", markup=False, style="dim"),
    ]
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=None, state="", message="")

        def tell(task: Task, why: str | None) -> None:
            message = visible(why or task.progress_message or "")
            total = None if task.progress is None else 1.0
            progress.update(bar, total=total, completed=task.progress or 0.0, state=task.state.value, message=message)

        yield tell
