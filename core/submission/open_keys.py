"""Tracks idempotency keys used by an open transaction: a call with such a key waits outside the batch."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

from taskyard.core.errors import Busy
from taskyard.core.i18n import msg
from taskyard.core.postgres.connections import LOCK_TIMEOUT_MS

WAITERS = 2  # callers that may hold a connection of the pool while they wait


class Alone:
    """Returned instead of a result if the submission must wait on its own, without delaying others."""


class OpenKeys:
    """The keys that callers of this process wait for."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._mutex = threading.Lock()
        self._may_wait = threading.BoundedSemaphore(WAITERS)

    def open_ones(self) -> frozenset[str]:
        """Returns the keys that callers wait for now."""
        if not self._counts:
            return frozenset()
        with self._mutex:
            return frozenset(self._counts)

    @contextlib.contextmanager
    def waiting_for(self, key: str) -> Iterator[None]:
        """Marks a key as waited for; raises Busy if too many callers have waited too long."""
        with self._mutex:
            self._counts[key] += 1
        try:
            if not self._may_wait.acquire(timeout=LOCK_TIMEOUT_MS / 1000):
                text = msg("too many submissions wait for idempotency keys that are not committed yet: try again")
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
