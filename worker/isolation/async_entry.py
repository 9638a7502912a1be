"""Tracks one coroutine on the event loop, and the slot's thread that waits for it."""

from __future__ import annotations

import asyncio
import threading
from time import monotonic

from taskyard.core.errors import ErrorClass
from taskyard.core.protocol import AttemptEnd
from taskyard.core.task_types.registry import TaskType
from taskyard.worker.attempts.execution import CANCELLED_BY_OTHERS, failed
from taskyard.worker.isolation.loop_watch import Blockage
from taskyard.worker.isolation.watch import Watch

_LOOP, _SLOT = "loop", "slot"
MAX_STACK_CHARACTERS = 3_000  # of a blocker's stack in its task's log


class Entry:
    """A run on the loop. The first thread to act decides, once, whether it begins or is withdrawn."""

    def __init__(self, task_type: TaskType, watch: Watch) -> None:
        self.task_type = task_type
        self.watch = watch
        self.task: asyncio.Task[None] | None = None
        self.done: AttemptEnd | None = None
        self.poked = threading.Event()  # it is over, it was cancelled, or its loop is blocked
        self.is_over = False
        self.hindrance: Blockage | None = None  # the last time that another one kept it from running
        self.blocked: Blockage | None = None  # the longest time that it kept others from running
        self._taken: dict[str, str] = {}

    def begin(self) -> bool:
        """Marks its first step on the loop, at which its time starts. Returns False if it was withdrawn."""
        if self._taken.setdefault("by", _LOOP) is not _LOOP:
            return False
        self.watch.begin()
        self.poked.set()
        return True

    def withdraw(self) -> bool:
        """Prevents it from beginning; returns False if it has begun."""
        return self._taken.setdefault("by", _SLOT) is _SLOT

    @property
    def has_begun(self) -> bool:
        return self._taken.get("by") is _LOOP

    @property
    def is_withdrawn(self) -> bool:
        return self._taken.get("by") is _SLOT

    def note_lost(self, seconds: float, blockage: Blockage | None) -> None:
        """Records seconds of a blocked loop: blocked by this run, or by another, whose time does not count."""
        if blockage is None or not blockage.blames(self.watch.run):
            self.hindrance = blockage or self.hindrance
            self.watch.lost_seconds += min(seconds, monotonic() - self.watch.started_monotonic)
        elif self.blocked is None or blockage.seconds > self.blocked.seconds:
            self.blocked = blockage

    def tell(self, blockage: Blockage, is_over: bool) -> None:
        """Reports in the task's own log that it blocks the loop."""
        place = blockage.place
        blockage.is_end_reported = blockage.is_end_reported or is_over
        so_far = "" if is_over else " so far"
        message = (
            f"this task blocked its agent's event loop for {blockage.seconds:.1f} s{so_far}, so that "
            f"{blockage.others} other tasks could not run: {place.where}\n{place.stack[-MAX_STACK_CHARACTERS:]}"
        )
        self.watch.emit({"kind": "log", "level": "warning", "message": message})

    def report_end_of_block(self) -> None:
        """Reports at the end of the run what was not reported yet."""
        if self.blocked is not None and self.blocked.is_told and not self.blocked.is_end_reported:
            self.tell(self.blocked, True)

    def blame(self) -> str:
        """Returns the addition to the run's own failure text, if it blocked the loop."""
        if self.blocked is None:
            return ""
        return f"; it blocked its event loop for {self.blocked.seconds:.1f} s, at {self.blocked.place.where}"

    def verdict(self) -> AttemptEnd:
        """Returns the outcome of a run that is over."""
        if self.done is None and self.watch.stop_class is None:
            seconds = monotonic() - self.watch.started_monotonic
            return failed(self.watch.run, ErrorClass.TRANSIENT, CANCELLED_BY_OTHERS, self.watch.started_at, seconds)
        done = self.watch.verdict(self.done)
        if self.watch.stop_class is not None and done.failure is not None and self.blocked is not None:
            done.failure.message += self.blame()
            done.failure.traceback = done.failure.traceback or self.blocked.place.stack
        return done
