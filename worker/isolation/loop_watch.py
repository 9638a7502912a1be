"""Detects which run blocks the event loop of coroutine handlers, and where, so that no other run is blamed.

A separate thread pings the loop every POLL_SECONDS. While no answer comes, the context (contextvars) of the
callback that the loop is in identifies its run: also for a task or timer that the handler started.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from time import monotonic, sleep
from types import FrameType
from typing import NamedTuple

from taskyard.core.protocol import Pair, Run
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.logging.context import attempt_in

POLL_SECONDS = 0.1
NOTICED_SECONDS = 0.25  # a loop that is silent for less is only busy
REPORT_SECONDS = 1.0  # from here on it is reported
UNOWNED_SECONDS = 10.0  # for a loop that no running attempt blocks: no timeout ends that
MAX_STACK_FRAMES = 20  # innermost frames that are shown
OURS = (
    "taskyard.worker.isolation.async_slot",
    "taskyard.worker.attempts.execution",
)  # the code that calls handlers does not block itself
_HANDLE_CODE = asyncio.Handle._run.__code__


class Place(NamedTuple):
    """The code that the loop's thread runs: whose it is (None: unknown), its place in one line, the stack.

    `is_idle`: it runs nothing at all.
    """

    run: Run | None
    where: str
    stack: str
    is_idle: bool = False


NOWHERE = Place(None, "unknown place", "")


@dataclass(slots=True)
class Blockage:
    """One period in which the loop did not answer."""

    since: float  # monotonic seconds
    seen: dict[Pair | None, int]  # how often each place was seen
    place: Place = NOWHERE  # of who was seen most
    seconds: float = 0.0
    others: int = 0  # how many runs could not run at most
    is_told: bool = False
    is_end_reported: bool = False  # reported in the blocker's own log

    def note(self, place: Place) -> None:
        """Adds one observation."""
        pair = pair_of(place.run)
        self.seen[pair] = self.seen.get(pair, 0) + 1
        if pair == max(self.seen, key=self.seen.__getitem__):
            self.place = place

    def blames(self, run: Run) -> bool:
        """Returns True if this attempt is the cause."""
        return pair_of(self.place.run) == pair_of(run)

    def told(self) -> str:
        """Returns what affected runs are told: which run, for how long, where."""
        run = self.place.run
        by = "code of no running task" if run is None else f"task {run.task_id} of type {run.task_type}"
        return f"its event loop was blocked for {self.seconds:.1f} s by {by}, at {self.place.where}"


def pair_of(run: Run | None) -> Pair | None:
    """Returns the pair that names an attempt."""
    return None if run is None else (run.task_id, run.attempt)


class LoopWatch:
    """Watches one loop while it is in use.

    `on_lost(seconds, blockage)` is called for each check of a blocked loop with the time since the check before;
    the blockage is None if the whole process stood still. `on_told(blockage)` is called once it has lasted
    TOLD_SECONDS and again at its end. `is_owned(run)` says whether a timeout will end that run; if not,
    `on_hopeless` is called after UNOWNED_SECONDS.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        loop_thread: threading.Thread,
        *,
        on_lost: Callable[[float, Blockage | None], None],
        on_report: Callable[[Blockage, bool], None],
        is_owned: Callable[[Run], bool],
        on_hopeless: Callable[[str], None],
    ) -> None:
        self._loop, self._loop_thread = loop, loop_thread
        self._on_lost, self._on_report, self._is_owned, self._on_hopeless = on_lost, on_report, is_owned, on_hopeless
        self._pinged_at: float | None = None
        self._is_hopeless = False
        self._closed = False
        self._has_work = threading.Event()
        self._noted: Blockage | None = None  # since the last look
        self._looked_at = monotonic()
        self._has_looked = threading.Event()
        self._thread = start_thread(
            "loop-watch", self._work, OnEscape.GO_ON, is_essential=True, is_over=lambda: self._closed
        )

    def begin(self) -> None:
        """Starts watching, since the loop is in use."""
        if not self._has_work.is_set():
            self._has_work.set()

    def rest(self) -> None:
        """Stops watching, since the loop is unused."""
        self._has_work.clear()

    @property
    def blockage(self) -> Blockage | None:
        """Returns the current blockage."""
        noted = self._noted
        return noted if noted is not None and noted.since == self._pinged_at else None

    def blocked_seconds(self) -> float:
        """Returns for how many seconds the loop has been blocked; 0 if it is not."""
        blockage = self.blockage
        return 0.0 if blockage is None else blockage.seconds

    def catch_up(self) -> None:
        """Waits for the next check if it is late: the cause of the delay also kept others from running."""
        if monotonic() - self._looked_at > POLL_SECONDS + NOTICED_SECONDS:
            self._has_looked.clear()
            self._has_looked.wait(POLL_SECONDS + NOTICED_SECONDS)

    def close(self) -> None:
        """Ends the thread."""
        self._closed = True
        self._has_work.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closed:
            if self._noted is None and self._pinged_at is None and not self._has_work.is_set():
                self._has_work.wait()
                self._looked_at = monotonic()
            self._ask()
            sleep(POLL_SECONDS)
            now = monotonic()
            self._check(now, now - self._looked_at)
            self._looked_at = now
            self._has_looked.set()

    def _ask(self) -> None:
        if self._pinged_at is None:
            self._pinged_at = monotonic()
            with suppress(RuntimeError):  # the loop is closed, and this thread will be ended
                self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._pinged_at = None

    def _check(self, now: float, passed_seconds: float) -> None:
        pinged_at = self._pinged_at
        is_silent = pinged_at is not None and now - pinged_at >= NOTICED_SECONDS
        place = place_of(self._loop_thread.ident) if is_silent else NOWHERE
        if self._noted is not None and self._noted.since != pinged_at:
            self._end(self._noted)
        if pinged_at is not None and is_silent and not place.is_idle:
            self._note(place, now, pinged_at, passed_seconds)
        elif passed_seconds > POLL_SECONDS + NOTICED_SECONDS:
            self._on_lost(passed_seconds - POLL_SECONDS, None)  # nothing ran, not even this thread

    def _note(self, place: Place, now: float, pinged_at: float, passed_seconds: float) -> None:
        blockage = self._noted
        if blockage is None:
            blockage, passed_seconds = Blockage(pinged_at, {}), now - pinged_at
        blockage.note(place)
        blockage.seconds = now - pinged_at
        self._noted = blockage
        self._on_lost(passed_seconds, blockage)
        if blockage.seconds >= REPORT_SECONDS and not blockage.is_told:
            blockage.is_told = True
            self._on_report(blockage, False)
        run = blockage.place.run
        if blockage.seconds >= UNOWNED_SECONDS and (run is None or not self._is_owned(run)) and not self._is_hopeless:
            self._is_hopeless = True
            self._on_hopeless(
                f"the event loop has been blocked for {blockage.seconds:.0f} s by code of no running task"
            )

    def _end(self, blockage: Blockage) -> None:
        self._noted = None
        if blockage.is_told:
            self._on_report(blockage, True)


def place_of(thread_id: int | None) -> Place:
    """Returns what the loop's thread executes now, and whose code it is."""
    frame = sys._current_frames().get(thread_id or 0)
    if frame is None:
        return NOWHERE
    frames: list[FrameType] = []
    at: FrameType | None = frame
    while at is not None and at.f_code is not _HANDLE_CODE:
        if at.f_globals.get("__name__") not in OURS:
            frames.append(at)
        at = at.f_back
    context = None if at is None else getattr(at.f_locals.get("self"), "_context", None)
    run = attempt_in(context) if isinstance(context, Context) else None
    lines = traceback.StackSummary.extract((one, one.f_lineno) for one in reversed(frames[:MAX_STACK_FRAMES]))
    if at is None or not lines:
        return Place(None, "the event loop itself", "", is_idle=True)
    last = lines[-1]
    return Place(run, f"{last.filename}:{last.lineno} in {last.name}", "".join(lines.format()))
