"""Sends log lines to Redis for the dashboard, without delaying the code that logs (core.redis.log_tail)."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import MutableMapping
from typing import Any

from taskyard.core.redis.log_tail import LogLine, LogTail
from taskyard.core.threads import OnEscape, Supervised, start_thread

MAX_WAITING = 1_000  # lines
BATCH = 200
AWAY_SECONDS = 1.0  # between attempts while Redis is away
CLOSE_SECONDS = 1.0
_NOT_FIELDS = frozenset({"event", "level", "timestamp"})


class LogShipper:
    """A structlog processor that keeps a copy of each line, and the thread that sends the copies.

    Lines that do not fit, or come while Redis is away, are dropped and counted; a line of its own reports the
    number once lines arrive again. Nothing here logs.
    """

    def __init__(self, pause_seconds: float = AWAY_SECONDS) -> None:
        self._waiting: deque[tuple[float, dict[str, Any]]] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._pause_seconds = pause_seconds
        self._thread: Supervised | None = None
        self._process = ""
        self._host = socket.gethostname()
        self._counting = threading.Lock()
        self.dropped = 0  # lines, since the last that arrived

    def __call__(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append((time.time(), dict(event)))
            if not self._wake.is_set():
                self._wake.set()
        else:
            self._count_dropped(1)
        return event

    def start(self, recent: LogTail, process: str) -> None:
        """Starts sending, including earlier lines; `process` names the source of these lines."""
        self._process = process
        self._thread = start_thread(
            "log", lambda: self._run(recent), OnEscape.GO_ON, is_essential=True, is_over=self._closing.is_set
        )

    def close(self) -> None:
        """Sends what is left, for at most CLOSE_SECONDS."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def _run(self, recent: LogTail) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if not self._send(recent) and self._closing.wait(self._pause_seconds):
                    return
            if self._closing.is_set():
                return

    def _send(self, recent: LogTail) -> bool:
        """Sends a batch or drops it; returns whether it arrived."""
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        dropped = self.dropped
        try:
            lines = [self._line(at, event).encoded() for at, event in batch]
            if dropped:
                lines.append(
                    self._line(time.time(), {"level": "warning", "event": "log.dropped", "lines": dropped}).encoded()
                )
            recent.add(lines)
        except Exception:  # the error can't be logged here, and the thread must live on: it is counted
            self._count_dropped(len(batch))
            return False
        self._count_dropped(-dropped)
        return True

    def _line(self, at: float, event: dict[str, Any]) -> LogLine:
        fields = {str(name): value for name, value in event.items() if name not in _NOT_FIELDS}
        return LogLine(at, str(event.get("level")), str(event.get("event")), self._process, self._host, fields)

    def _count_dropped(self, lines: int) -> None:
        with self._counting:
            self.dropped += lines
