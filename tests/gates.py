"""A handler that tests hold open."""

from __future__ import annotations

import threading

from taskyard.worker.attempts.context import TaskContext
from tests.engine import Payload


class Gate:
    """A handler that waits until the test lets it go on, and notes the order of the starts."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.order: list[object] = []
        self.saw_cancel = threading.Event()

    def __call__(self, given: Payload, context: TaskContext) -> Payload:
        self.order.append(given.model_dump().get("n"))
        while not self.open.wait(0.01):
            if context.cancelled:
                self.saw_cancel.set()
                context.raise_if_cancelled()
        return given
