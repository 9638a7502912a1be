"""Starts all of our threads; uncaught exceptions are logged and counted, and no thread dies unnoticed.

`start_thread` takes the effect of an uncaught exception (OnEscape); docs/design/faults/00-three-rules.md lists all
threads with theirs, and a test compares that table with the source. No other code starts threads or timers.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 3.0
STEADY_SECONDS = 10.0  # a loop that ran this long has recovered
FAILING_ROUNDS = 3  # consecutive exceptions from which on a thread counts as dead
PATIENCE_SECONDS = 60.0  # of END_PROCESS
POLL_SECONDS = 0.1

log = logging.getLogger(__name__)


class OnEscape(StrEnum):
    """The effect of an uncaught exception on its thread."""

    GO_ON = "goes on"  # its work restarts after a pause, which grows to MAX_PAUSE_SECONDS
    END_PROCESS = "continues for a while"  # the same, but after PATIENCE_SECONDS of it the process has to be replaced
    END_THREAD = "ends"  # it was meant to be short; its waiting callers are told by other means


class Supervised(threading.Thread):
    """One of our threads; `escapes` counts its uncaught exceptions so far."""

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        on_escape: OnEscape,
        *,
        is_essential: bool,
        mend: Callable[[BaseException], object] | None,
        is_over: Callable[[], bool],
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.on_escape = on_escape
        self.is_essential = is_essential
        self.family = name.split(" ")[0].rstrip("-0123456789")
        self.escapes = 0
        self.is_exhausted = False
        self._work, self._mend, self._is_over = work, mend, is_over
        self._is_done = False
        self._streak = 0  # exceptions since it last ran for STEADY_SECONDS
        self._streak_began = self._round_began = time.monotonic()
        self._last_escape = ""
        self._is_pausing = False

    def run(self) -> None:
        """Runs the work until it returns, is over, or is ended by an uncaught exception."""
        while not self._is_done:
            try:
                self._round()
            except BaseException:  # not even logging worked (no memory, a second exception): counted already
                time.sleep(POLL_SECONDS)
        _forget(self)

    @property
    def problem(self) -> str | None:
        """Returns why this thread counts as dead, if it does."""
        if self._is_done:
            return f"thread {self.name}: it has ended"
        if self._streak >= FAILING_ROUNDS and (self._is_pausing or self._lived() < MAX_PAUSE_SECONDS):
            return f"thread {self.name}: it failed {self._streak} times in a row, last with {self._last_escape}"
        return None

    @property
    def is_told(self) -> bool:
        """Returns True if it was asked to end."""
        return self._is_over()

    def _lived(self) -> float:
        return time.monotonic() - self._round_began

    def _round(self) -> None:
        self._round_began = time.monotonic()
        try:
            self._work()
        except BaseException as error:  # including SystemExit and exceptions sent into the thread
            self._note(error)
            if self._mend is not None:
                try:
                    self._mend(error)
                except BaseException as second:
                    self._note(second)
            self._is_done = self.on_escape is OnEscape.END_THREAD or self._is_over()
            if not self._is_done:
                self._pause()
        else:
            self._is_done = True

    def _note(self, error: BaseException) -> None:
        now = time.monotonic()
        if self._lived() > STEADY_SECONDS:
            self._streak = 0
        if self._streak == 0:
            self._streak_began = now
        self._streak += 1
        self.escapes += 1
        count_escape(self.family)
        self._last_escape = f"{type(error).__name__}: {error}".removesuffix(": ")
        if self.on_escape is OnEscape.END_PROCESS and now - self._streak_began > PATIENCE_SECONDS:
            self.is_exhausted = True
        log.error("thread %s: uncaught exception; it %s", self.name, self.on_escape, exc_info=error)

    def _pause(self) -> None:
        self._is_pausing = True
        try:
            seconds = min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self._streak - 1, 10))
            until = time.monotonic() + seconds
            while not self._is_over() and (rest := until - time.monotonic()) > 0:
                time.sleep(min(rest, POLL_SECONDS))
        finally:
            self._is_pausing = False


_lock = threading.Lock()
_threads: set[Supervised] = set()
_escapes: Counter[str] = Counter()


def start_thread(
    name: str,
    work: Callable[[], object],
    on_escape: OnEscape,
    *,
    is_essential: bool = False,
    mend: Callable[[BaseException], object] | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> Supervised:
    """Starts `work` in a daemon thread of that name and returns the thread.

    An essential one is part of the process's health: `problems` names it when it has ended or keeps failing. `mend`
    is called with an uncaught exception, to settle what was left half done. `work` is not restarted once `is_over`.
    Raises RuntimeError if the system can't start a thread.
    """
    thread = Supervised(name, work, on_escape, is_essential=is_essential, mend=mend, is_over=is_over)
    with _lock:
        _threads.add(thread)
    try:
        thread.start()
    except BaseException:
        _threads.discard(thread)
        raise
    return thread


def threads() -> list[Supervised]:
    """Returns the running threads, and the essential ones that have ended."""
    with _lock:
        return sorted(_threads, key=lambda thread: thread.name)


def problems() -> list[str]:
    """Returns one line for each essential thread of this process that is dead or keeps failing."""
    return [found for thread in threads() if thread.is_essential and (found := thread.problem)]


def must_end_process() -> bool:
    """Returns True if a thread has failed for longer than allowed, so that the process must be replaced."""
    return any(thread.is_exhausted for thread in threads())


def escapes() -> dict[str, int]:
    """Returns the uncaught exceptions since the start of the process, by the thread's name without its number."""
    with _lock:
        return dict(_escapes)


def count_escape(family: str) -> None:
    """Counts an exception that was caught elsewhere just before its thread would have died."""
    with _lock:
        _escapes[family] += 1


def retire(thread: Supervised) -> None:
    """Excludes a thread that was asked to end from the process's health."""
    with _lock:
        _threads.discard(thread)


def _forget(thread: Supervised) -> None:
    if not thread.is_essential or thread.is_told:
        retire(thread)


class _Timers:
    """Calls functions later, from one thread that is started on first use."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._thread: Supervised | None = None

    def add(self, seconds: float, call: Callable[[], object]) -> int:
        with self._condition:
            if self._thread is None or not self._thread.is_alive():
                self._thread = start_thread("timers", self._run, OnEscape.GO_ON)
            number = next(self._numbers)
            heapq.heappush(self._due, (time.monotonic() + seconds, number, call))
            self._condition.notify()
        return number

    def cancel(self, number: int) -> None:
        with self._condition:
            self._due = [entry for entry in self._due if entry[1] != number]
            heapq.heapify(self._due)

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._due or (wait := self._due[0][0] - time.monotonic()) > 0:
                    self._condition.wait(None if not self._due else wait)
                call = heapq.heappop(self._due)[2]
            call()


_timers = _Timers()


def call_later(seconds: float, call: Callable[[], object]) -> Callable[[], None]:
    """Schedules `call`, which must be short, in about that time; returns a function that cancels it.

    Raises RuntimeError if the system can't start a thread.
    """
    number = _timers.add(seconds, call)
    return lambda: _timers.cancel(number)
