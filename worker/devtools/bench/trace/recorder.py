"""Keeps what happened to tasks in this process, with the time of each boundary, until the process ends."""

from __future__ import annotations

import functools
import gc
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

FOLDER = "BENCH_TRACE_FOLDER"  # where the processes of a traced installation write


class Recorder:
    """Times of boundaries by task, and spans of what else a process did. Seconds of the monotonic clock, which the
    processes of a host share.
    """

    def __init__(self, process: str) -> None:
        self.process = process
        self.marks: list[tuple[str, str, float]] = []  # boundary, task id, seconds
        self.spans: list[tuple[str, float, float]] = []  # what, from, to

    def mark(self, boundary: str, task_ids: Iterable[str], at: float | None = None) -> None:
        """Records that tasks passed a boundary now, or at `at`."""
        now = time.monotonic() if at is None else at
        self.marks += [(boundary, task_id, now) for task_id in task_ids]

    def span(self, what: str, began: float) -> None:
        """Records what went on from `began` until now."""
        self.spans.append((f"{self.process}: {what}", began, time.monotonic()))

    def watch_collections(self) -> None:
        """Records every garbage collection as a span."""
        began: dict[int, float] = {}

        def note(phase: str, details: dict[str, int]) -> None:
            thread = threading.get_ident()
            if phase == "start":
                began[thread] = time.monotonic()
            elif thread in began:
                self.span(f"garbage collection {details['generation']}", began.pop(thread))

        gc.callbacks.append(note)

    def save(self, folder: Path) -> None:
        """Writes all of it into a file of the folder."""
        found = {"marks": self.marks, "spans": self.spans}
        (folder / f"{os.getpid()}.json").write_text(json.dumps(found), encoding="utf-8")


def around(
    owner: Any,
    name: str,
    before: Callable[..., Any] = lambda *given, **options: None,
    after: Callable[..., None] = lambda found, answer, *given, **options: None,
) -> Callable[[], None]:
    """Has a function of a class or module call `before(*given)` first, and `after(what that found, answer, *given)`.

    Returns what puts the original back.
    """
    original = owner.__dict__[name]

    @functools.wraps(original)
    def with_boundaries(*given: Any, **options: Any) -> Any:
        found = before(*given, **options)
        answer = original(*given, **options)
        after(found, answer, *given, **options)
        return answer

    setattr(owner, name, with_boundaries)
    return lambda: setattr(owner, name, original)
