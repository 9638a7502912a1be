"""Runs one attempt from input to outcome, the same in every isolation.

`execute` never raises for what a handler does, except `HandlerStopped`, which the watchdog sends into a thread and
which only its runner may handle.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter, time
from typing import Any, NoReturn

import msgspec
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, SchemaSerializer

from taskyard.core.errors import ErrorClass, HandlerError, InvalidInputError, InvalidOutputError, shortened
from taskyard.core.payload.culprits import field_of, parts_of, writable
from taskyard.core.payload.encode import decode_input
from taskyard.core.payload.pydantic_messages import model_expects
from taskyard.core.payload.storable_text import MAX_MESSAGE_BYTES, MAX_TRACEBACK_BYTES, storable
from taskyard.core.protocol import NULL, Done, Failure, Run
from taskyard.core.submission.validate import check_output
from taskyard.core.task_types.registry import TaskType
from taskyard.worker.attempts.channel import CANNOT_RUN, KEPT_FROM_RUNNING
from taskyard.worker.attempts.context import Channel, TaskContext
from taskyard.worker.logging.context import bind_attempt
from taskyard.worker.logging.redaction import redacted_text

MAX_PROBLEMS = 5
CANCELLED_BY_OTHERS = "its coroutine was cancelled by itself or by another one on its event loop, not by the agent"
LOOKED_THROUGH = 65536  # characters of an error's text that are searched for secrets; fewer are kept


class HandlerStopped(BaseException):
    """Raised in a handler's thread to stop it. Not an Exception, so that `except Exception` lets it pass."""


class UnstorableOutput(HandlerError):
    """Raised for a valid output that the database can't store."""

    error_class = ErrorClass.UNSTORABLE


def execute(
    task_type: TaskType,
    run: Run,
    context: TaskContext,
    output_limit_bytes: int,
    confined: AbstractContextManager[None] | None = None,
) -> Done:
    """Runs a plain handler, `confined`, to its end and returns its outcome. Raises HandlerStopped only."""
    started_at, start, process = time(), perf_counter(), os.getpid()
    try:
        given = _parse_input(task_type, run)
        with confined or nullcontext():
            value = task_type.handler(given, context)
        return _success(task_type, run, value, output_limit_bytes, started_at, start, process)
    except HandlerStopped:
        raise
    except BaseException as error:  # SystemExit and KeyboardInterrupt must not end the slot either
        return _failure(run, error, started_at, start, process, task_type.memory_limit_mib)


async def execute_async(task_type: TaskType, run: Run, context: TaskContext, output_limit_bytes: int) -> Done:
    """Runs `execute` for a coroutine."""
    started_at, start, process = time(), perf_counter(), os.getpid()
    try:
        bind_attempt(run)  # the coroutine's context is its own
        value = await task_type.handler(_parse_input(task_type, run), context)  # type: ignore[misc]
        return _success(task_type, run, value, output_limit_bytes, started_at, start, process)
    except HandlerStopped:
        raise
    except BaseException as error:
        return _failure(run, error, started_at, start, process)


def context_of(run: Run, channel: Channel, kind: type[TaskContext] = TaskContext) -> TaskContext:
    """Returns the context for a run's handler."""
    checkpoint = None if run.checkpoint is None else msgspec.json.decode(run.checkpoint)
    return kind(run.task_id, run.task_type, run.attempt, channel, checkpoint, run.children)


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
    output = msgspec.Raw(_output_json(task_type, value, limit_bytes))
    return Done(run.task_id, run.attempt, output, None, started_at, perf_counter() - start)


def _failure(
    run: Run, error: BaseException, started_at: float, start: float, process: int, memory_limit_mib: int | None = None
) -> Done:
    if os.getpid() != process:
        _end_fork(error)
    error_class, message = _classified(error, memory_limit_mib)
    return failed(run, error_class, message, started_at, perf_counter() - start, _handler_traceback(error))


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
        raise InvalidInputError(_one_line("input", error)) from None


def _output_json(task_type: TaskType, value: object, limit_bytes: int) -> bytes:
    """Returns the compact JSON of a handler's value; raises InvalidOutputError or UnstorableOutput."""
    model = task_type.output_model
    if not isinstance(value, model):
        if not isinstance(value, dict):
            raise InvalidOutputError(f"output: {shortened(value)} is not accepted, expected a {model.__name__}")
        try:
            value = model.model_validate(value)
        except ValidationError as error:
            raise InvalidOutputError(_one_line("output", error)) from None
    serializer = type(value).__pydantic_serializer__
    try:
        output: bytes = serializer.to_json(value, warnings="error")
    except PydanticSerializationError as error:
        reason = " ".join(str(error).split())
        if reason.startswith("Pydantic serializer warnings"):
            raise InvalidOutputError(f"output: {reason}") from None
        is_circle = "Circular reference" in reason  # the whole is too large, but no part is
        place = "" if is_circle else _place(serializer, value, lambda part: writable(part) is not None)
        raise UnstorableOutput(f"the output can't be written as JSON{place}: {reason}") from None
    except (ValueError, RecursionError) as error:  # pydantic's error for a value that contains itself or is too deep
        raise UnstorableOutput(f"the output can't be written as JSON: {error}") from None
    problem = check_output(output, limit_bytes)
    if problem is not None:
        raise UnstorableOutput(problem)
    # pydantic writes NaN and infinities as null; a text without null holds none.
    if b"null" in output and (place := _place(serializer, value, _is_not_finite)):
        raise UnstorableOutput(f"the output holds NaN or an infinity{place}, which JSON does not know")
    return output


def _is_not_finite(part: object) -> bool:
    return isinstance(part, float) and not math.isfinite(part)


def _place(serializer: SchemaSerializer, value: object, is_wrong: Callable[[object], bool]) -> str:
    """Returns the place of an output's first wrong part: " at output.rows.3", or nothing."""
    try:
        root = serializer.to_python(value, warnings=False)
    except Exception:  # raised by a serializer in the model
        return ""
    unvisited: list[tuple[tuple[Any, ...], Any]] = [(("output",), root)]
    seen: set[int] = set()  # containers, which may contain themselves
    while unvisited:
        path, part = unvisited.pop()
        if isinstance(part, dict | list | tuple | set | frozenset):
            if id(part) in seen:
                continue
            seen.add(id(part))
        if isinstance(part, dict):
            unvisited += [((path, key), item) for key, item in reversed(part.items())]
        elif isinstance(part, list | tuple | set | frozenset):
            unvisited += [((path, index), item) for index, item in reversed(list(enumerate(part)))]
        elif is_wrong(part):
            return f" at {field_of(parts_of(path))}"
    return ""


def _one_line(root: str, error: ValidationError) -> str:
    details = error.errors(include_url=False)
    problems = []
    for detail in details[:MAX_PROBLEMS]:
        field = ".".join([root, *map(str, detail["loc"])])
        if detail["type"] == "missing":
            problems.append(f"{field} is required")
        else:
            expected = " ".join(model_expects(detail).split())
            problems.append(f"{field}: {shortened(detail['input'])} is not accepted, expected {expected}")
    if len(details) > MAX_PROBLEMS:
        more = len(details) - MAX_PROBLEMS
        problems.append(f"and {more} more problem{'' if more == 1 else 's'}")
    return "; ".join(problems)


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
