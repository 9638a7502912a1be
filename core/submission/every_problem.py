"""Lists all problems of a submission, where checking it reports only the first (pure; time is an argument)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from taskyard.core.errors import SubmissionError, UnknownTaskType
from taskyard.core.payload.encode import input_problems
from taskyard.core.submission.validate import Limits, validate_submission
from taskyard.core.task_types.registry import Isolation, Registry, TaskType
from taskyard.core.task_types.retry_policy import RetryPolicy

NOTHING = "nothing"  # a type with which the other parts of a submission can be checked


class _NoInput(BaseModel):
    pass


_NO_TYPE = Registry()
_NO_TYPE.add(TaskType(NOTHING, lambda: None, _NoInput, _NoInput, 1.0, RetryPolicy(), Isolation.THREAD, frozenset(), ""))


def every_problem(
    arguments: Mapping[str, Any], registry: Registry, limits: Limits, now: datetime
) -> list[SubmissionError]:
    """Returns all that `validate_submission` refuses in `submit`'s arguments, one error per part; empty if valid."""
    left = dict(arguments)
    found: list[SubmissionError] = []
    while True:
        try:
            validate_submission(**{"type": None, **left}, registry=registry, limits=limits, now=now)
        except SubmissionError as error:
            part = error.field.partition(".")[0]
            found += (_of_input(left, registry) if part == "input" else []) or [error]
            if part in ("type", "input"):
                left |= {"type": NOTHING, "input": None}
                registry = _NO_TYPE
            elif left.pop(part, None) is None:
                return found  # the invalid values are replaced, so that they are not reported twice
        else:
            return found


def other_problems(arguments: Mapping[str, Any], limits: Limits, now: datetime) -> list[SubmissionError]:
    """Returns the same for everything but type and input."""
    return every_problem({**arguments, "type": NOTHING, "input": None}, _NO_TYPE, limits, now)


def _of_input(arguments: Mapping[str, Any], registry: Registry) -> list[SubmissionError]:
    try:
        model = registry.get(arguments["type"]).input_model
    except UnknownTaskType:
        return []
    return input_problems(model, {} if arguments.get("input") is None else arguments["input"])
