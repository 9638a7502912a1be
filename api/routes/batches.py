"""Submits many tasks at once: a list, or a stream of lines with a result for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field, TypeAdapter, ValidationError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.document import refusing
from taskyard.api.ingest import Ingest, lines_of
from taskyard.api.models.batches import SubmittedMany
from taskyard.api.models.tasks import NewTask
from taskyard.api.problems import Refused, problem_of
from taskyard.api.reading import ServicesDep, acting_for, in_thread
from taskyard.api.request_problems import BODY, ITEMS
from taskyard.api.rights import Rights, RightsDep
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import TaskyardError
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.submission.authorized import as_seen
from taskyard.core.submission.many import CHUNK_SIZE

JSON, LINES = "application/json", "application/x-ndjson"
LINE_MARGIN_BYTES = 64 << 10  # of a line, besides its task's input

router = APIRouter(prefix="/tasks", tags=["tasks"])
_tasks = TypeAdapter(Annotated[list[NewTask], Field(min_length=1, max_length=CHUNK_SIZE)])


class _Results(StreamingResponse):
    """Sends results while the body still arrives, of which a watch for the client's leaving would take parts."""

    async def listen_for_disconnect(self, receive: Receive) -> None:
        await anyio.sleep_forever()


class LineResults(StreamingResponse):
    """Answers while the request's body still arrives."""

    media_type = LINES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # the class above would also read messages of the request, to see whether its sender is gone
        await self.stream_response(send)


async def _while_permitted(rights: Rights, portions: AsyncIterator[list[bytes]]) -> AsyncIterator[list[bytes]]:
    """Yields portions of lines; raises NotPermitted once the sender may do something else than at the beginning."""
    async for lines in portions:
        await rights.check()
        yield lines


def _placed(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a detail of a list's validation with a place that names the task."""
    place = detail["loc"]
    return {**detail, "loc": (BODY, ITEMS, *place) if place else (BODY,)}


_ONE_TASK = {"$ref": "#/components/schemas/NewTask"}
_DOCUMENT = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"type": "array", "items": _ONE_TASK, "minItems": 1, "maxItems": CHUNK_SIZE}},
            LINES: {"schema": {"type": "string", "description": "A task as JSON on each line, as in the list"}},
        },
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "A result for each line", "content": {LINES: {"schema": {"type": "string"}}}}
}


@router.post(
    "/batch",
    status_code=201,
    response_model=SubmittedMany,
    responses={**_ANSWERS, **refusing(409)},
    openapi_extra=_DOCUMENT,
    summary="Submit many tasks",
    dependencies=[needs(Permission.TASK_SUBMIT)],
)
async def submit_many(
    request: Request,
    services: ServicesDep,
    actor: ActorDep,
    rights: RightsDep,
    stop: Annotated[
        bool,
        Query(description="Of lines: stop at the first that is refused; nothing of its portion or after it is stored"),
    ] = False,
) -> Response:
    """Stores a list of up to 2,000 tasks, all or none; or any number as lines, with a result for each line.

    The problem of a list says in `errors` which task it is about: `item` is 1 for the first.

    Send lines (`application/x-ndjson`) for many tasks: they are stored while they arrive, some thousands at a time,
    and an invalid one keeps no other away. The answer has a line for each: `{"line": 1, "id": …}`, or
    `{"line": 1, "problem": …}`. If a server goes away the last line says from which line on nothing was stored, and so
    does the first one that is refused with `stop`, where a portion is 2,000 lines or 1 MiB, whichever comes first.
    """
    if (key := request.headers.get("idempotency-key")) is not None:
        expected = msg("the field idempotency_key of each task: the header is for one task alone")
        raise refused("Idempotency-Key", key, expected)
    media_type = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    acting = acting_for(services, actor)
    if media_type == LINES:

        def problem(error: TaskyardError) -> dict[str, Any]:
            return problem_of(as_seen(error, actor), request).model_dump()

        ingest = Ingest(services.submitter, acting, actor, problem, stops=stop)
        limit_bytes = services.settings.input_limit_bytes + LINE_MARGIN_BYTES
        return LineResults(ingest.results(_while_permitted(rights, lines_of(request.stream(), limit_bytes))))
    if media_type != JSON:
        raise Refused(415, msg("expected {json} or {lines}", json=JSON, lines=LINES))
    try:
        given = _tasks.validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError([_placed(one) for one in error.errors()]) from None
    submissions = [{"type": task.type, "input": task.input, **task.options()} for task in given]
    ids = await in_thread(acting.submit_many, submissions)
    return JSONResponse({"ids": ids}, 201)
