"""Idempotency keys that an open transaction of somebody else has used: who submits one waits by itself."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

from taskyard.core.errors import Busy
from taskyard.core.i18n import msg
from taskyard.core.postgres.connections import LOCK_TIMEOUT_MS

WAITERS = 2  # that may hold a connection of the pool while they wait


class Alone:
    """Instead of a result: the submission has to wait, and nobody else should have to."""


class OpenKeys:
    """The keys that callers of this process wait for."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._mutex = threading.Lock()
        self._may_wait = threading.BoundedSemaphore(WAITERS)

    def open_ones(self) -> frozenset[str]:
        """Keys that somebody waits for now."""
        if not self._counts:
            return frozenset()
        with self._mutex:
            return frozenset(self._counts)

    @contextlib.contextmanager
    def waiting_for(self, key: str) -> Iterator[None]:
        """Around the wait for a key; raises Busy if too many wait already, for too long."""
        with self._mutex:
            self._counts[key] += 1
        try:
            if not self._may_wait.acquire(timeout=LOCK_TIMEOUT_MS / 1000):
                text = msg("others wait for idempotency keys that are not committed yet: try again")
                raise Busy(text, is_locked=True)
            try:
                yield
            finally:
                self._may_wait.release()
        finally:
            with self._mutex:
                self._counts[key] -= 1
                if not self._counts[key]:
                    del self._counts[key]
