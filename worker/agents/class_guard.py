"""Guards an agent against its class's code, which must neither end a thread nor return an invalid outcome."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any

import msgspec
import structlog

from taskyard.core.declarations import one_line
from taskyard.core.errors import ErrorClass
from taskyard.core.protocol import AttemptEnd, Run, encode
from taskyard.core.threads import count_escape
from taskyard.worker.attempts.channel import hindrance_of, refusal_of
from taskyard.worker.attempts.execution import failed

log = structlog.get_logger(__name__)
_decode = msgspec.json.Decoder(tuple[AttemptEnd]).decode


def guarded(call: Callable[..., None], *arguments: Any) -> None:
    """Calls code that a subclass may have written; exceptions are counted and logged, and end no thread."""
    try:
        call(*arguments)
    except Exception:
        count_escape("agent class")
        log.exception("agent_class.failed", call=getattr(call, "__qualname__", repr(call)))


def checked_end(run: Run, done: object) -> AttemptEnd | None:
    """Returns the result of `execute` if it is a reportable end of this run; otherwise a `crashed` one."""
    if done is None:
        return None
    try:
        if not isinstance(done, AttemptEnd):
            raise TypeError(f"expected a Done, a Suspended or None, not {type(done).__name__}")
        if (done.task_id, done.attempt) != (run.task_id, run.attempt):
            raise ValueError(f"this is the end of attempt {done.attempt} of task {done.task_id}")
        if done.failure is not None and refusal_of(done) is None and hindrance_of(done) is None:
            ErrorClass(done.failure.error_class)
        _decode(encode([done]))
    except Exception as error:
        reason = f"the agent class returned an invalid outcome for this attempt: {one_line(error)}"
        return failed(run, ErrorClass.CRASHED, reason, time(), 0.0)
    return done
