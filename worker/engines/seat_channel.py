"""Connects a handler in a seat to its agent, over the seat's connection."""

from __future__ import annotations

import queue
import threading
from typing import Any

from taskyard.core.protocol import Run
from taskyard.worker.engines.seat_frames import SeatStream
from taskyard.worker.isolation.frames import Emit, Reply, Request
from taskyard.worker.isolation.slot_child import PipeChannel


class SeatChannel(PipeChannel):
    """The channel of one attempt in a seat; its threads may ask at the same time."""

    def __init__(self, stream: SeatStream, run: Run) -> None:
        super().__init__(stream, run)
        self.run = run
        self.cancelled = False
        self._asking = threading.Lock()
        self._asked = 0
        self._sending = threading.Lock()
        self._answers: dict[int, queue.SimpleQueue[Reply]] = {}

    def request(self, message: dict[str, Any]) -> Any:
        """Sends a request and waits for its answer, which the agent always gives; see PipeChannel."""
        answer: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        with self._asking:
            self._asked += 1
            number = self._asked
            self._answers[number] = answer
        try:
            self._send(Request(message, number))
            return answer.get().value
        finally:
            self._answers.pop(number, None)

    def answer(self, reply: Reply) -> None:
        """Passes an answer on to whoever waits for it."""
        if (waiting := self._answers.get(reply.number)) is not None:
            waiting.put(reply)

    def is_cancelled(self) -> bool:
        return self.cancelled

    def close(self) -> None:
        """Closes the channel; when this returns, nothing of this attempt is sent any more."""
        with self._sending:
            super().close()

    def _send(self, frame: Emit | Request) -> None:
        with self._sending:
            super()._send(frame)
