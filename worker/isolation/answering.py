"""Answers requests from a handler in a child process."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from taskyard.core.errors import ErrorClass, HandlerError
from taskyard.core.protocol import Run
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.isolation.frames import FrameStream, Reply, Request

logger = logging.getLogger(__name__)


class Asked(Protocol):
    """An attempt whose handler asks."""

    @property
    def run(self) -> Run: ...

    def request(self, message: dict[str, Any]) -> Any:
        """Returns the answer; raises the HandlerError that it is."""


def start_answering(stream: FrameStream, attempt: Asked, request: Request) -> None:
    """Answers in a separate thread: an answer may take long (a commit), and the deadline must be kept meanwhile."""

    def answer() -> None:
        _answer(stream, attempt, request)

    try:
        start_thread("answer", answer, OnEscape.END_THREAD)
    except RuntimeError as error:
        text = f"the agent can't start a thread for this request: {error}"
        stream.send(Reply(error_class=ErrorClass.TRANSIENT.value, error_message=text, number=request.number))


def _answer(stream: FrameStream, attempt: Asked, request: Request) -> None:
    try:
        reply = Reply(result=attempt.request(request.message))
    except HandlerError as error:
        reply = Reply(error_class=error.error_class.value, error_message=str(error))
    except Exception as error:
        logger.exception("a request of task %s failed", attempt.run.task_id)
        reply = Reply(error_class=ErrorClass.TRANSIENT.value, error_message=f"{type(error).__name__}: {error}")
    reply.number = request.number
    try:
        stream.send(reply)
    except OSError as error:
        logger.info("task %s ended before its request was answered: %s", attempt.run.task_id, error)
