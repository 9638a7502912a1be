"""Runs one attempt from input to outcome, the same in every isolation.

`execute` never raises for what a handler does, except `HandlerStopped`, which the watchdog sends into a thread and
which only its runner may handle.
"""

from __future__ import annotations

import asyncio
import errno
import os
import traceback
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from time import perf_counter, time
from typing import NoReturn

import msgspec
from pydantic import BaseModel, ValidationError

from taskyard.core.errors import (
    ErrorClass,
    HandlerError,
    InvalidInputError,
    PermanentError,
    RetryAfter,
)
from taskyard.core.payload.encode import decode_input
from taskyard.core.payload.storable_text import MAX_MESSAGE_BYTES, MAX_TRACEBACK_BYTES, storable
from taskyard.core.protocol import (
    NULL,
    AttemptEnd,
    Done,
    Failure,
    Run,
    Suspended,
    Until,
    UntilTime,
)
from taskyard.core.submission.validate import check_output
from taskyard.core.task_types.registry import TaskType
from taskyard.worker.attempts.channel import CANNOT_RUN, KEPT_FROM_RUNNING
from taskyard.worker.attempts.context import Channel, TaskContext
from taskyard.worker.attempts.outputs import one_line, output_json
from taskyard.worker.attempts.suspension import SuspendAttempt, checked_seconds
from taskyard.worker.logging.context import bind_attempt
from taskyard.worker.logging.redaction import redacted_text

CANCELLED_BY_OTHERS = "its coroutine was cancelled by itself or by another one on its event loop, not by the agent"
LOOKED_THROUGH = 65536  # characters of an error's text that are searched for secrets; fewer are kept


class HandlerStopped(BaseException):
    """Raised in a handler's thread to stop it. Not an Exception, so that `except Exception` lets it pass."""


def execute(
    task_type: TaskType,
    run: Run,
    context: TaskContext,
    output_limit_bytes: int,
    confined: AbstractContextManager[None] | None = None,
) -> AttemptEnd:
    """Runs a plain handler, `confined`, to its end and returns its outcome. Raises HandlerStopped only."""
    started_at, start, process = time(), perf_counter(), os.getpid()
    try:
        given = _parse_input(task_type, run)
        with confined or nullcontext():
            value = task_type.handler(given, context)
        return _success(task_type, run, value, output_limit_bytes, started_at, start, process)
    except HandlerStopped:
        raise
    except SuspendAttempt as pause:
        return _suspended(run, pause, output_limit_bytes, started_at, start, process)
    except BaseException as error:  # SystemExit and KeyboardInterrupt must not end the slot either
        return _failure(run, error, started_at, start, process, task_type.memory_limit_mib)


async def execute_async(task_type: TaskType, run: Run, context: TaskContext, output_limit_bytes: int) -> AttemptEnd:
    """Runs `execute` for a coroutine."""
    started_at, start, process = time(), perf_counter(), os.getpid()
    try:
        bind_attempt(run)  # the coroutine's context is its own
        value = await task_type.handler(_parse_input(task_type, run), context)  # type: ignore[misc]
        return _success(task_type, run, value, output_limit_bytes, started_at, start, process)
    except HandlerStopped:
        raise
    except SuspendAttempt as pause:
        return _suspended(run, pause, output_limit_bytes, started_at, start, process)
    except BaseException as error:
        return _failure(run, error, started_at, start, process)


def context_of(run: Run, channel: Channel, kind: type[TaskContext] = TaskContext) -> TaskContext:
    """Returns the context for a run's handler."""
    checkpoint = None if run.checkpoint is None else msgspec.json.decode(run.checkpoint)
    ids, known = (run.task_id, run.task_type, run.attempt), (checkpoint, run.children, run.resumed)
    has_checkpoint = run.checkpoint is not None
    fire_time = None if run.scheduled_for is None else datetime.fromtimestamp(run.scheduled_for, UTC)
    return kind(*ids, channel, *known, has_checkpoint=has_checkpoint, scheduled_for=fire_time)


def failed(
    run: Run, error_class: ErrorClass, message: str, started_at: float, run_seconds: float, details: str | None = None
) -> Done:
    """Returns the outcome of an attempt that its runner ended or lost; `details` replace the traceback."""
    failure = Failure(
        error_class.value,
        _kept(message, MAX_MESSAGE_BYTES),
        _kept(details, MAX_TRACEBACK_BYTES, keep_end=True) if details else None,
    )
    return Done(run.task_id, run.attempt, NULL, failure, started_at, run_seconds)


def cannot_run(run: Run, reason: str) -> Done:
    """Returns the outcome of an attempt whose type this process does not know; another agent must run it."""
    return _given_back(run, CANNOT_RUN, reason)


def kept_from_running(run: Run, reason: str) -> Done:
    """Returns the outcome of an attempt that could not run, or continue, because of another one."""
    return _given_back(run, KEPT_FROM_RUNNING, reason)


def _given_back(run: Run, kind: str, reason: str) -> Done:
    failure = Failure(kind, _kept(reason, MAX_MESSAGE_BYTES))
    return Done(run.task_id, run.attempt, NULL, failure, time(), 0.0)


def _success(
    task_type: TaskType, run: Run, value: object, limit_bytes: int, started_at: float, start: float, process: int
) -> Done:
    if os.getpid() != process:
        raise SystemExit
    output = msgspec.Raw(output_json(task_type, value, limit_bytes))
    return Done(run.task_id, run.attempt, output, None, started_at, perf_counter() - start)


def _suspended(
    run: Run, pause: SuspendAttempt, limit_bytes: int, started_at: float, start: float, process: int
) -> AttemptEnd:
    if os.getpid() != process:
        _end_fork(pause)
    problem = None if pause.state is None else check_output(pause.state, limit_bytes)
    if problem is not None:
        seconds = perf_counter() - start
        return failed(run, ErrorClass.PERMANENT, f"suspend: {problem}", started_at, seconds, _handler_traceback(pause))
    report = _pause(run, pause.until, started_at, start)
    report.children, report.signals = pause.children, pause.signals
    if pause.state is not None:
        report.has_state, report.state = True, msgspec.Raw(pause.state)
    return report


def _pause(run: Run, until: Until, started_at: float, start: float) -> Suspended:
    return Suspended(run.task_id, run.attempt, until, False, NULL, started_at, perf_counter() - start)


def _failure(
    run: Run, error: BaseException, started_at: float, start: float, process: int, memory_limit_mib: int | None = None
) -> AttemptEnd:
    if os.getpid() != process:
        _end_fork(error)
    error_class, message = _classified(error, memory_limit_mib)
    done = failed(run, error_class, message, started_at, perf_counter() - start, _handler_traceback(error))
    if not isinstance(error, RetryAfter):
        return done
    try:
        seconds = checked_seconds("RetryAfter", error.seconds)
    except PermanentError as refused:
        return failed(run, ErrorClass.PERMANENT, str(refused), started_at, done.run_seconds, _handler_traceback(error))
    report = _pause(run, UntilTime(seconds), started_at, start)
    report.failure = done.failure
    return report


def _end_fork(error: BaseException) -> NoReturn:
    """Ends a process that the handler forked and let return: a copy of the slot would report the task twice."""
    if isinstance(error, SystemExit):
        os._exit(error.code if isinstance(error.code, int) else error.code is not None)
    traceback.print_exception(error)
    os._exit(1)


def _classified(error: BaseException, memory_limit_mib: int | None) -> tuple[ErrorClass, str]:
    if isinstance(error, HandlerError):
        return ErrorClass(error.error_class), _text_of(error)
    text = f"{type(error).__name__}: {_text_of(error)}".removesuffix(": ")
    if isinstance(error, asyncio.CancelledError):  # it is ignored if the agent cancelled
        return ErrorClass.TRANSIENT, f"{CANCELLED_BY_OTHERS}: {text}"
    is_refused = isinstance(error, OSError) and error.errno == errno.ENOMEM  # the words of mmap
    if isinstance(error, MemoryError) or (is_refused and memory_limit_mib is not None):
        limit = "" if memory_limit_mib is None else f" (its memory limit is {memory_limit_mib} MiB)"
        return ErrorClass.RESOURCE_LIMIT, f"out of memory: {text}{limit}"
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return ErrorClass.CRASHED, f"the handler tried to end its process: {text}"
    return ErrorClass.TRANSIENT, text


def _parse_input(task_type: TaskType, run: Run) -> BaseModel:
    try:
        return decode_input(task_type.input_model, bytes(run.input))
    except ValidationError as error:
        raise InvalidInputError(one_line("input", error)) from None


def _handler_traceback(error: BaseException) -> str | None:
    """Returns the traceback from the handler's own frame on, or None if no handler code was involved."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals is globals():
        frames = frames.tb_next
    return None if frames is None else "".join(traceback.format_exception(type(error), error, frames))


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # a handler's own exception class may do anything in __str__
        return f"<text not available: {type(broken).__name__}>"


def _bounded(text: str, keep_end: bool) -> str:
    """Returns a text short enough to search quickly."""
    if len(text) <= LOOKED_THROUGH:
        return text
    return text[-LOOKED_THROUGH:] if keep_end else text[:LOOKED_THROUGH]


def _kept(text: str, limit_bytes: int, keep_end: bool = False) -> str:
    """Returns `text` without secrets, in storable form."""
    return storable(redacted_text(_bounded(text, keep_end)), limit_bytes, keep_end=keep_end)
