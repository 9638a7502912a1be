"""Tracks attempts' requests to the dispatcher."""

from __future__ import annotations

import threading
import uuid

from taskyard.core.protocol import Reply


class PendingRequests:
    """Requests to the dispatcher that wait for their answers."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[threading.Event, list[Reply]]] = {}

    def open(self) -> str:
        request_id = uuid.uuid4().hex
        self._waiting[request_id] = (threading.Event(), [])
        return request_id

    def answer(self, reply: Reply) -> None:
        waiting = self._waiting.get(reply.request_id)
        if waiting is not None:
            waiting[1].append(reply)
            waiting[0].set()

    def wait(self, request_id: str, timeout_seconds: float) -> Reply | None:
        """Returns the answer, or None if it did not come in time."""
        event, replies = self._waiting[request_id]
        try:
            return replies[0] if event.wait(timeout_seconds) else None
        finally:
            del self._waiting[request_id]
