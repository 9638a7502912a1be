"""Turns errors into problem documents (RFC 9457) that name field, value and what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from taskyard.api.language import in_language_of
from taskyard.api.models.problems import FieldError, Problem
from taskyard.core.errors import (
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
    shortened,
)
from taskyard.core.i18n import msg

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2
MAX_ERRORS = 50  # of one request that are listed


# status, name and title of each error; the first class that fits counts
_KINDS: tuple[tuple[type[TaskyardError], int, str, str], ...] = (
    (UnknownTaskType, 422, "unknown-type", msg("No such task type")),
    (IdempotencyConflict, 409, "idempotency-conflict", msg("The idempotency key belongs to another task")),
    (SubmissionError, 422, "invalid", msg("The request is not accepted")),
    (NotPermitted, 403, "forbidden", msg("Not permitted")),
    (TaskNotFound, 404, "not-found", msg("Not found")),
    (ItemNotFound, 404, "not-found", msg("Not found")),
    (IllegalTransition, 409, "wrong-state", msg("The task's state does not allow this")),
    (Busy, 503, "busy", msg("Busy: try again")),
    (Unavailable, 503, "unavailable", msg("A server is away: try again")),
    (ConfigurationError, 503, "configuration", msg("This installation is not set up correctly")),
)
_TITLES = {
    400: msg("The request can't be read"),
    401: msg("A token is needed"),
    404: msg("Not found"),
    405: msg("This method is not allowed here"),
    408: msg("The request took too long"),
    413: msg("The request is too large"),
    415: msg("This kind of content is not accepted"),
    429: msg("Too many requests"),
    503: msg("Busy: try again"),
    504: msg("The request took too long"),
}


class Refused(Exception):
    """A request that is refused before it does anything: a status, a detail and headers of the answer."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem document."""
    app.add_exception_handler(TaskyardError, _of_ours)
    app.add_exception_handler(Refused, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)


def problem_of(error: TaskyardError, request: Request) -> Problem:
    """Returns the document for one of our errors."""
    say = in_language_of(request)
    status, name, title = next((s, n, t) for kind, s, n, t in _KINDS if isinstance(error, kind))
    errors = []
    if isinstance(error, SubmissionError):
        errors = [FieldError(field=error.field, value=shortened(error.value), expected=say(error.expected))]
    return Problem(
        type=f"taskyard:{name}",
        title=say(title),
        status=status,
        detail=say(error.text),
        errors=errors,
        task_id=error.task_id if isinstance(error, IdempotencyConflict) else None,
        state=error.state if isinstance(error, IllegalTransition) else None,
        permission=str(error.permission) if isinstance(error, NotPermitted) else None,
    )


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Returns the response with a problem document."""
    return JSONResponse(problem.model_dump(), problem.status, headers, media_type=MEDIA_TYPE)


def plain_answer(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Returns the response with a problem document that only has a status and a detail."""
    return answer(_plain(request, status, detail), headers)


def answer_to(error: TaskyardError | Refused, request: Request) -> JSONResponse:
    """Returns the response to an error of ours."""
    if isinstance(error, Refused):
        return plain_answer(request, error.status, error.detail, error.headers)
    problem = problem_of(error, request)
    return answer(problem, {"retry-after": str(RETRY_SECONDS)} if problem.status == 503 else None)


async def _of_ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TaskyardError | Refused)
    return answer_to(error, request)


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    """Answers for an unknown path, a wrong method or an unreadable body."""
    assert isinstance(error, HTTPException)
    return plain_answer(request, error.status_code, str(error.detail), error.headers)


async def _of_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    say = in_language_of(request)
    found = [_field_error(detail) for detail in error.errors()[:MAX_ERRORS]]
    lines = [f"{one.field}: {one.expected}" for one in found]
    problem = Problem(
        type="taskyard:invalid",
        title=say(msg("The request is not accepted")),
        status=422,
        detail="; ".join(lines),
        errors=found,
    )
    return answer(problem)


def _plain(request: Request, status: int, detail: str) -> Problem:
    say = in_language_of(request)
    title = _TITLES.get(status, msg("The request is refused"))
    return Problem(type="about:blank", title=say(title), status=status, detail=say(detail))


def _field_error(detail: Mapping[str, Any]) -> FieldError:
    place = [str(part) for part in detail["loc"]]
    field = ".".join(place[1:] if place[0] == "body" and len(place) > 1 else place)
    return FieldError(field=field, value=shortened(detail.get("input")), expected=str(detail["msg"]))
