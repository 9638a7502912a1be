"""Refuses parameters of an address that its operation does not have.

One that is misspelt would select nothing, and what it was meant to leave out would be acted on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args, get_origin

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant

from taskyard.api.authentication import SenderDep
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused


async def check_parameters(request: Request, _sender: SenderDep) -> None:
    """Raises SubmissionError for parameters that are unknown, or given twice where one is meant.

    Who sends the request is asked first: strangers are told that alone.
    """
    if not request.url.query:
        return
    known = dict(_parameters(request.scope["route"].dependant))
    problems = [problem for name in request.query_params if (problem := _problem_of(name, request, known)) is not None]
    if problems:
        first = problems[0]
        first.parts = tuple(problems)
        raise first


ONLY_KNOWN = Depends(check_parameters)


def _problem_of(name: str, request: Request, known: dict[str, bool]) -> SubmissionError | None:
    values = request.query_params.getlist(name)
    if name not in known:
        names = ", ".join(known)
        expected = msg("a known parameter: one of {names}", names=names) if known else msg("no parameter at all")
        return refused(name, values[-1], expected)
    if len(values) > 1 and not known[name]:
        return refused(name, values[-1], msg("one value, but it is given {count} times", count=len(values)))
    return None


def _parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Yields the names of an operation's parameters, and whether each may be given several times."""
    for field in dependant.query_params:
        kind = field.field_info.annotation
        yield field.alias, list in (get_origin(kind), *map(get_origin, get_args(kind)))
    for inner in dependant.dependencies:
        yield from _parameters(inner)
