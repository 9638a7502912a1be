"""Completes the API's document (OpenAPI): every operation says how it may be refused, as a problem document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from taskyard.api.authentication import permission_of
from taskyard.api.models.problems import Problem
from taskyard.api.problems import MEDIA_TYPE
from taskyard.api.request_defaults import say_defaults
from taskyard.core.access.permissions import Permission

REFUSALS: Mapping[str, str] = {
    "400": "The request can't be read",
    "401": "A token is needed, or this one is unknown, expired or revoked",
    "403": "Not permitted: the detail names what is lacking and what would give it",
    "404": "There is none, or it is not among the queues and types of the sender's role",
    "409": "Its state, or an earlier request, does not allow this",
    "413": "The body is too large",
    "422": "The request is not accepted: `errors` names each field, its value and what was expected",
    "429": "Too many requests: try again after `Retry-After` seconds",
    "503": "A server is away or busy: try again after `Retry-After` seconds",
}
OTHERS: Mapping[str, str] = {"4XX": "The request is refused", "5XX": "The request could not be answered"}
_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_TEXTS = ("text/plain", "text/markdown", "text/csv", "text/html", "application/x-ndjson")
_METHODS = ("get", "put", "post", "delete", "patch")

PERMISSION = "x-permission"  # of an operation: what its sender needs at least
AGENT_TOKEN = "x-agent-token"  # of an operation: its sender is an agent, by a token of its own
ONLY_AGENTS: dict[str, Any] = {AGENT_TOKEN: True}  # an operation's `openapi_extra`

Responses = dict[int | str, dict[str, Any]]


def refusing(*statuses: int) -> Responses:
    """Returns an operation's `responses` for refusals that its path and parameters do not tell, such as 409."""
    return {status: _refusal(REFUSALS[str(status)]) for status in statuses}


def answering(media_types: Mapping[str, str], description: str) -> Responses:
    """Returns an operation's `responses` for an answer that is a file or a stream: media types with an example each."""
    content = {
        name: {"schema": {"type": "string"} if name in _TEXTS else {}, **({"example": example} if example else {})}
        for name, example in media_types.items()
    }
    return {200: {"description": description, "content": content}}


def operation_id(route: APIRoute) -> str:
    """Returns an operation's name in generated clients: its resource and its function, such as `tasks_submit`."""
    resource = route.tags[0] if route.tags else "page"
    return f"{resource}_{route.name}"


def install(app: FastAPI) -> None:
    """Makes the application's document complete; it is made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            app.openapi_schema = completed(made, _permissions(app))
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def completed(made: dict[str, Any], permissions: Mapping[tuple[str, str], Permission]) -> dict[str, Any]:
    """Returns a document in which each operation names its permission, and the refusals that its path tells."""
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which nothing answers with
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for path, operations in made["paths"].items():
        for method in _METHODS:
            if method in operations:
                _complete(path, operations[method], permissions.get((path, method)))
    say_defaults(made)
    return made


def _permissions(app: FastAPI) -> dict[tuple[str, str], Permission]:
    """Returns what each operation needs, by path and method."""
    found: dict[tuple[str, str], Permission] = {}
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute):
            needed = [one for call in _calls(route.dependant) if (one := permission_of(call)) is not None]
            if needed:
                found |= {(str(route.path_format), method.lower()): needed[-1] for method in route.methods or ()}
    return found


def _calls(dependant: Dependant) -> Iterator[object]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)


def _complete(path: str, operation: dict[str, Any], permission: Permission | None) -> None:
    answers = operation["responses"]
    given = {status: answer for status, answer in answers.items() if status[0] not in "45"}
    named = {status for status in answers if status in REFUSALS and MEDIA_TYPE in answers[status].get("content", {})}
    if operation.get("security"):
        named |= {"400", "401", "403", "422", "503"}  # any of them may be sent an unknown parameter
    if operation.get("parameters") or "requestBody" in operation:
        named |= {"400", "422"}
    if "{" in path:
        named |= {"404"}
    named |= {"429"}
    if permission is not None:
        operation[PERMISSION] = permission.value
    refusals = {status: _refusal(REFUSALS[status]) for status in sorted(named)}
    if operation.get(AGENT_TOKEN):
        refusals["403"] = _refusal(f"{REFUSALS['403']}. It needs an agent's token")
    if permission is not None:
        refusals["403"] = _refusal(f"{REFUSALS['403']}. It needs `{permission.value}`")
    others = {status: _refusal(text) for status, text in OTHERS.items()}
    operation["responses"] = {**given, **refusals, **others}


def _refusal(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": _SCHEMA}}}
