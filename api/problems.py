"""Turns errors into problem documents (RFC 9457) that name field, value and what was expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from taskyard.api.language import in_language_of
from taskyard.api.models.problems import FieldError, Problem
from taskyard.api.request_problems import item_of, of_cause, of_detail
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
)
from taskyard.core.i18n import listed, msg
from taskyard.core.questions.errors import QuestionClosed, QuestionNotFound

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
    (QuestionNotFound, 404, "no-question", msg("Not found")),
    (QuestionClosed, 409, "question-closed", msg("The question can't be answered any more")),
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
_DETAILS = {
    404: msg("there is nothing at this address"),
    405: msg("expected another method: the header Allow names those of this address"),
}
_UNREADABLE = msg("expected a body that can be read")


class Refused(Exception):
    """A request that is refused before it does anything: a status, a detail and headers of the answer.

    `title` is for an answer that the usual one of its status does not describe.
    """

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, *, title: str | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.title = title


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
        errors = [_field_error(part, say) for part in error.parts or (error,)]
    return Problem(
        type=f"taskyard:{name}",
        title=say(title),
        status=status,
        detail=say(_text_of(error)),
        errors=errors,
        task_id=error.task_id if isinstance(error, IdempotencyConflict) else None,
        state=error.state if isinstance(error, IllegalTransition | QuestionClosed) else None,
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
        return answer(_plain(request, error.status, error.detail, error.title), error.headers)
    problem = problem_of(error, request)
    return answer(problem, {"retry-after": str(RETRY_SECONDS)} if problem.status == 503 else None)


async def _of_ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TaskyardError | Refused)
    return answer_to(error, request)


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    """Answers for an unknown path, a wrong method or an unreadable body."""
    assert isinstance(error, HTTPException)
    if error.status_code == 400 and (cause := of_cause(error.__cause__)) is not None:
        return _invalid(request, [cause])
    detail = str(error.detail)
    if detail == HTTPStatus(error.status_code).phrase:  # the framework's own words
        detail = _DETAILS.get(error.status_code, _TITLES.get(error.status_code, detail))
    elif error.status_code == 400:
        detail = _UNREADABLE
    return plain_answer(request, error.status_code, detail, error.headers)


async def _of_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _invalid(request, [of_detail(one, error.body) for one in error.errors()[:MAX_ERRORS]])


def _invalid(request: Request, errors: Sequence[SubmissionError]) -> JSONResponse:
    say = in_language_of(request)
    problem = Problem(
        type="taskyard:invalid",
        title=say(msg("The request is not accepted")),
        status=422,
        detail=say(listed(map(_text_of, errors))),
        errors=[_field_error(error, say) for error in errors],
    )
    return answer(problem)


def _plain(request: Request, status: int, detail: str, title: str | None = None) -> Problem:
    say = in_language_of(request)
    title = title or _TITLES.get(status, msg("The request is refused"))
    return Problem(type="about:blank", title=say(title), status=status, detail=say(detail))


def _text_of(error: TaskyardError) -> str:
    """Returns the text of an error, which names the task of a list by its number."""
    number, alone = item_of(error) if isinstance(error, SubmissionError) else (None, error)
    return alone.text if number is None else msg("item {number}: {problem}", number=number, problem=alone.text)


def _field_error(error: SubmissionError, say: Callable[[str], str]) -> FieldError:
    number, alone = item_of(error)
    expected = say(alone.expected or msg("a value"))
    return FieldError(item=number, field=alone.field, value=alone.shown_value, expected=expected)
