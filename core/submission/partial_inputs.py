"""Checks inputs with references against a type's model: only what their outputs can't change is wrong (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from taskyard.core.errors import MISSING, SubmissionError
from taskyard.core.payload.encode import located_problems
from taskyard.core.task_types.published import PublishedType
from taskyard.core.workflows.references import Found, Path

_OF_THE_OBJECT = ("required", "additionalProperties")  # keywords of problems that no part of an object changes
_ALTERNATIVES = ("anyOf", "oneOf", "allOf", "not", "if", "then", "else")


def template_problems(
    model: type[BaseModel], published: PublishedType | None, given: object, references: Sequence[Found]
) -> list[SubmissionError]:
    """Returns what is wrong with an input whatever its references are replaced by."""
    places = {reference.path for reference in references}
    if published is not None:
        return [
            problem
            for path, keywords, problem in published.located_problems(given)
            if not _is_open(given, path, places) or _is_settled(path, keywords, places)
        ]
    problems = located_problems(model, given)
    return [one for path, one in problems if not _is_open(given, path, places, is_missing=one.value is MISSING)]


def _is_settled(path: Path, keywords: Sequence[Any], places: set[Path]) -> bool:
    """Returns True if a problem of a JSON Schema is one of the names of an object that is no reference itself."""
    if not keywords or keywords[-1] not in _OF_THE_OBJECT or set(keywords) & set(_ALTERNATIVES):
        return False
    return not any(path[: len(place)] == place for place in places)


def _is_open(given: object, path: Path, places: set[Path], *, is_missing: bool = False) -> bool:
    """Returns True if a problem at a path is about a reference, or about a value that has one inside.

    Paths of pydantic also name the alternatives of a model, which are no part of the value.
    """
    value = given
    at: Path = ()
    for number, token in enumerate(path, 1):
        if at in places:
            return True
        is_name = isinstance(value, dict) and token in value
        if is_name or (isinstance(value, list | tuple) and isinstance(token, int) and token < len(value)):
            value, at = value[token], (*at, token)  # type: ignore[index]
        elif is_missing and number == len(path):
            return False
        else:
            break
    return any(place[: len(at)] == at for place in places)
