"""Turns problem documents (RFC 9457) back into the errors that they were made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from taskyard.api.models.problems import FieldError, Problem
from taskyard.core.errors import (
    MISSING,
    Busy,
    ConfigurationError,
    IdempotencyConflict,
    IllegalTransition,
    ItemNotFound,
    NotPermitted,
    SubmissionError,
    TaskNotFound,
    TaskyardError,
    Unavailable,
    UnknownTaskType,
    restored,
)
from taskyard.core.i18n import msg
from taskyard.core.questions.errors import QuestionClosed, QuestionNotFound

_NAMES: dict[str, type[TaskyardError]] = {
    "taskyard:unknown-type": UnknownTaskType,
    "taskyard:idempotency-conflict": IdempotencyConflict,
    "taskyard:invalid": SubmissionError,
    "taskyard:forbidden": NotPermitted,
    "taskyard:not-found": TaskNotFound,
    "taskyard:no-question": QuestionNotFound,
    "taskyard:question-closed": QuestionClosed,
    "taskyard:wrong-state": IllegalTransition,
    "taskyard:busy": Busy,
    "taskyard:unavailable": Unavailable,
    "taskyard:configuration": ConfigurationError,
}
# Of refusals before the request was looked at, which have no name.
_STATUSES: dict[int, type[TaskyardError]] = {
    401: NotPermitted,
    403: NotPermitted,
    404: ItemNotFound,
    408: Unavailable,
    421: NotPermitted,
    429: Busy,
    503: Busy,
    504: Unavailable,
}


class Shown:
    """Stands for a value that is known only as the text that shows it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def error_of_answer(status: int, body: bytes, url: str, given: Mapping[str, Any]) -> TaskyardError:
    """Returns the error of an answer that is no success; `given` is what the caller passed."""
    try:
        return error_of(Problem.model_validate_json(body), given)
    except ValidationError:
        if status in (502, 503, 504):  # of a proxy before the API
            return Unavailable(msg("{url}: answered {status}: the API is away", url=url, status=status))
        text = msg("{url}: answered {status} and not as Taskyard's API does: is it one?", url=url, status=status)
        return TaskyardError(text)


def error_of(problem: Problem, given: Mapping[str, Any], prefix: str = "") -> TaskyardError:
    """Returns the error that a problem describes, with the document as its attribute `problem`.

    `prefix` comes before its field, as in `submissions.3.`. A SubmissionError has `every` too: one for each part that
    is not accepted, without the prefix.
    """
    kind = _NAMES.get(problem.type) or _STATUSES.get(problem.status, TaskyardError)
    fields: dict[str, Any] = {"problem": problem}
    text = problem.detail
    if issubclass(kind, SubmissionError):
        [first, *_] = problem.errors or [FieldError(field="request", value="", expected=problem.detail)]
        first = next((one for one in problem.errors if problem.detail.startswith(f"{one.field}:")), first)
        fields |= {"field": prefix + first.field, "value": _value_of(first, given), "expected": first.expected}
        fields["every"] = [SubmissionError(one.field, _value_of(one, given), one.expected) for one in problem.errors]
        fields["parts"] = tuple(fields["every"]) if len(fields["every"]) > 1 and not prefix else ()
        text = prefix + text if problem.errors else text
    if kind is IdempotencyConflict:
        fields["task_id"] = problem.task_id or ""
    elif kind in (IllegalTransition, QuestionClosed):
        fields["state"] = problem.state or ""
    elif kind is NotPermitted:
        fields["permission"] = problem.permission or ""
    elif kind is Busy:
        fields["is_locked"] = False
    elif kind is ConfigurationError:
        fields["problems"] = [problem.detail]
    return restored(kind, (text,), fields)


def _value_of(one: FieldError, given: Mapping[str, Any]) -> object:
    """Returns what the caller passed in the field of an error, or how the API shows it."""
    value: Any = given
    for part in one.field.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes) and part.isdecimal():
            if int(part) >= len(value):
                return _shown(one)
            value = value[int(part)]
        else:
            return _shown(one)
    return value


def _shown(one: FieldError) -> object:
    return Shown(one.value) if one.value else MISSING  # an empty text is shown in quotes
