"""Answers requests from a handler in a child process."""

from __future__ import annotations

import logging

from taskyard.core.errors import ErrorClass, HandlerError
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.isolation.frames import FrameStream, Reply, Request
from taskyard.worker.isolation.watch import Watch

logger = logging.getLogger(__name__)


def start_answering(stream: FrameStream, watch: Watch, request: Request) -> None:
    """Answers in a separate thread: an answer may take long (a commit), and the deadline must be kept meanwhile."""

    def answer() -> None:
        _answer(stream, watch, request)

    try:
        start_thread("answer", answer, OnEscape.END_THREAD)
    except RuntimeError as error:
        text = f"the agent can't start a thread for this request: {error}"
        stream.send(Reply(error_class=ErrorClass.TRANSIENT.value, error_message=text))


def _answer(stream: FrameStream, watch: Watch, request: Request) -> None:
    try:
        reply = Reply(result=watch.request(request.message))
    except HandlerError as error:
        reply = Reply(error_class=error.error_class.value, error_message=str(error))
    except Exception as error:
        logger.exception("a request of task %s failed", watch.run.task_id)
        reply = Reply(error_class=ErrorClass.TRANSIENT.value, error_message=f"{type(error).__name__}: {error}")
    try:
        stream.send(reply)
    except OSError as error:
        logger.info("task %s ended before its request was answered: %s", watch.run.task_id, error)
