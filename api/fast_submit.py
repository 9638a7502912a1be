"""Answers submissions of single tasks before the framework sees them: these come by the thousand.

The route in `routes.tasks` documents the operation, and answers whatever is unusual: other kinds of content, long
bodies, bodies that are not valid, addresses with parameters. Both do the same by `submitted`. The framework's own
handling of a request takes twice as long as all of the rest.
"""

from __future__ import annotations

from types import SimpleNamespace

from fastapi import FastAPI, Request
from pydantic import TypeAdapter, ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskyard.api import problems
from taskyard.api.models.tasks import NewTask
from taskyard.api.problems import Refused
from taskyard.api.routes.tasks import submitted
from taskyard.core.errors import TaskyardError

MAX_BODY_BYTES = 32 << 10
JSON = (b"application/json", b"application/json; charset=utf-8")

_validate = TypeAdapter(NewTask).validator.validate_json


class FastSubmit:
    """A plain ASGI middleware around the application."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        """Answers POST requests for `path`."""
        self._app = app
        self._path = path
        self._route = SimpleNamespace(path=path)  # by which metrics name the request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST" or scope["query_string"]:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        if headers.get(b"content-type") not in JSON or not length.isdigit() or int(length) > MAX_BODY_BYTES:
            await self._app(scope, receive, send)
            return
        message = await receive()
        if message["type"] != "http.request" or message.get("more_body"):
            await self._app(scope, _again(message, receive), send)
            return
        try:
            task = _validate(message["body"])
        except ValidationError:
            await self._app(scope, _again(message, receive), send)
            return
        await self._submit(task, headers, scope, receive, send)

    async def _submit(
        self, task: NewTask, headers: dict[bytes, bytes], scope: Scope, receive: Receive, send: Send
    ) -> None:
        scope["route"] = self._route
        app: FastAPI = scope["app"]
        request = Request(scope)
        key = headers.get(b"idempotency-key")
        try:
            actor = await app.state.authenticator.actor_of(request)
            text = None if key is None else key.decode("latin-1")
            task_id, is_new = await submitted(app.state.services, actor, task, text, int(headers[b"content-length"]))
        except (TaskyardError, Refused) as error:
            await problems.answer_to(error, request)(scope, receive, send)
            return
        body = b'{"id":"%s"}' % task_id.encode()
        sent = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        sent.append((b"location", f"{self._path}/{task_id}".encode()))
        await send({"type": "http.response.start", "status": 201 if is_new else 200, "headers": sent})
        await send({"type": "http.response.body", "body": body})


def _again(first: Message, receive: Receive) -> Receive:
    """Returns a `receive` that gives a message again before the others."""
    left = [first]

    async def receive_again() -> Message:
        return left.pop() if left else await receive()

    return receive_again
