"""Limits the volume of logs: an event that repeats too often is counted instead of written."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import structlog

from taskyard.core.threads import call_later

LINES = 20  # of one event
PERIOD_SECONDS = 10.0
EVENTS_REMEMBERED = 1_000

Key = tuple[str, str, str]


@dataclass(slots=True)
class _Count:
    since: float
    lines: int = 0
    suppressed: int = 0


class FloodLimit:
    """A structlog processor. Lines are the same event if level, name and type of exception agree.

    One line, `log.suppressed`, counts the lines left out when the period is over.
    """

    def __init__(self, tell: Callable[[Key, int], None], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._monotonic = monotonic
        self._counts: OrderedDict[Key, _Count] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        key = (str(event.get("level")), str(event.get("event")), _kind(event))
        now = self._monotonic()
        over = None
        with self._lock:
            count = self._counts.get(key)
            if count is None or now - count.since >= PERIOD_SECONDS:
                over = count
                count = self._counts[key] = _Count(now)
                self._counts.move_to_end(key)
                while len(self._counts) > EVENTS_REMEMBERED:
                    self._counts.popitem(last=False)
            count.lines += 1
            if count.lines > LINES:
                count.suppressed += 1
                if count.suppressed == 1:
                    self._watch(key, count)
                raise structlog.DropEvent
        if over is not None:
            self._report(key, over)
        return event

    def _watch(self, key: Key, count: _Count) -> None:
        """Schedules the summary, even if the event does not occur again."""
        # without a thread for it, the summary comes with the event's next line
        with contextlib.suppress(RuntimeError):
            call_later(PERIOD_SECONDS, lambda: self._report(key, count))

    def _report(self, key: Key, count: _Count) -> None:
        with self._lock:
            suppressed, count.suppressed = count.suppressed, 0
        if suppressed:
            self._tell(key, suppressed)


def _kind(event: MutableMapping[str, Any]) -> str:
    """Returns what distinguishes exceptions with one event name."""
    info = event.get("exc_info")
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        return type(info).__name__
    return info[0].__name__ if isinstance(info, tuple) and info[0] is not None else ""
