"""Writes the value that a handler returned as JSON, or says which part of it can't be (pure)."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, SchemaSerializer

from taskyard.core.errors import ErrorClass, HandlerError, InvalidOutputError, shortened
from taskyard.core.payload.culprits import field_of, parts_of, writable
from taskyard.core.payload.pydantic_messages import model_expects
from taskyard.core.submission.validate import check_output
from taskyard.core.task_types.registry import TaskType

MAX_PROBLEMS = 5
_MISFIT = "Pydantic serializer warnings"
_HERE = re.escape(__name__) + r"\Z"
_RAISING = [("error", re.compile(_MISFIT, re.IGNORECASE), UserWarning, re.compile(_HERE), 0)]


class UnstorableOutput(HandlerError):
    """Raised for a valid output that the database can't store."""

    error_class = ErrorClass.UNSTORABLE


def output_json(task_type: TaskType, value: object, limit_bytes: int) -> bytes:
    """Returns the compact JSON of a handler's value; raises InvalidOutputError or UnstorableOutput."""
    model = task_type.output_model
    if not isinstance(value, model):
        if not isinstance(value, dict):
            raise InvalidOutputError(f"output: {shortened(value)} is not accepted, expected a {model.__name__}")
        try:
            value = model.model_validate(value)
        except ValidationError as error:
            raise InvalidOutputError(one_line("output", error)) from None
    serializer = type(value).__pydantic_serializer__
    try:
        output = _to_json(serializer, value)
    except PydanticSerializationError as error:
        reason = " ".join(str(error).split())
        if reason.startswith(_MISFIT):
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


def _to_json(serializer: SchemaSerializer, value: object) -> bytes:
    """Returns the JSON of a value; raises pydantic's errors, also for a part that is not of its field's type.

    To read the word "error", pydantic takes 1.5 µs and gives the interpreter lock away, for which a busy thread then
    waits. A filter that makes this module's own warnings errors costs nothing; handlers may put others before it.
    """
    if warnings.filters[:1] == _RAISING:
        try:
            return serializer.to_json(value)
        except UserWarning:
            pass
    else:
        warnings.filterwarnings("error", _MISFIT, UserWarning, _HERE)
    return serializer.to_json(value, warnings="error")


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


def one_line(root: str, error: ValidationError) -> str:
    """Returns the problems of an input or output in one line."""
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
