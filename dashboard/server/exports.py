"""Streams downloads of any size: the audit log as CSV and as JSON lines, a task's log as text.

Each is made as its requester may see it.
Rows are read, written and sent some hundreds at a time. An export that fails midway breaks the connection off, so
that a part is not mistaken for the whole.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import anyio
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from taskyard.core.errors import NotPermitted, SubmissionError, TaskNotFound, TaskyardError
from taskyard.core.exported_rows import csv_head, csv_lines, json_lines, log_lines
from taskyard.core.i18n import msg
from taskyard.core.ids import parsed_id
from taskyard.core.payload.culprits import refused

if TYPE_CHECKING:
    from taskyard.core.access.identity import Actor
    from taskyard.core.postgres.store.audit import AuditEntry

CHUNK_ROWS = 500
MAX_AT_ONCE = 2  # each holds a connection to PostgreSQL

_running = threading.BoundedSemaphore(MAX_AT_ONCE)
Writer = Callable[[Iterable["AuditEntry"]], bytes]


def routes() -> list[Route]:
    """Returns the exports' routes. Those of the audit log take the parameters of its page's address, a task's log
    its `id`.
    """
    return [
        Route("/export/audit.csv", audit_csv),
        Route("/export/audit.jsonl", audit_jsonl),
        Route("/export/log.txt", log_txt),
    ]


async def audit_csv(request: Request) -> Response:
    """Answers with events as CSV; cells that look like formulas become text."""
    return await _exported(request, "csv", "text/csv; charset=utf-8", csv_lines, csv_head())


async def audit_jsonl(request: Request) -> Response:
    """Answers with events as JSON, one on each line."""
    return await _exported(request, "jsonl", "application/x-ndjson", json_lines, b"")


async def _exported(request: Request, ending: str, media_type: str, write: Writer, head: bytes) -> Response:
    """Answers 400 for invalid parameters, 403 without the permission, 503 if it can't be started, or else events."""
    from taskyard.dashboard.data import base  # their caches need the runtime
    from taskyard.dashboard.pages.audit import data as audit

    who = await _requester(request)
    if isinstance(who, Response):
        return who
    try:
        given = request.query_params.multi_items()
        if twice := [name for name, _value in given if len(request.query_params.getlist(name)) > 1]:
            raise refused(twice[0], "given twice", msg("each parameter once"))
        only = audit.filter_of(dict(given))
    except SubmissionError as error:
        return PlainTextResponse(f"{error}\n", 400)
    name = f"taskyard-audit-{base.now():%Y%m%d-%H%M%S}.{ending}"
    return await _streamed(audit.export(only, who), write, head, media_type, name)


async def log_txt(request: Request) -> Response:
    """Answers with a task's log: time, attempt, level and message of each entry. 400 for an invalid task id."""
    from taskyard.dashboard.pages.task import data as task

    given = request.query_params.getlist("id")
    task_id = parsed_id(given[0].strip()) if len(given) == 1 and len(request.query_params.multi_items()) == 1 else None
    if task_id is None:
        return PlainTextResponse(f"{refused('id', ', '.join(given), msg('the id of one task'))}\n", 400)
    who = await _requester(request)
    if isinstance(who, Response):
        return who
    media_type = "text/plain; charset=utf-8"
    return await _streamed(task.whole_log(task_id, who), log_lines, b"", media_type, f"taskyard-log-{task_id}.txt")


async def _requester(request: Request) -> Actor | Response:
    """Returns who asks, looked up now, or the answer 503."""
    from taskyard.dashboard.data import viewer  # its cache needs the runtime

    address = request.client.host if request.client else "localhost"
    try:
        return await anyio.to_thread.run_sync(viewer.requester, request.cookies, request.headers, address)
    except TaskyardError as error:
        return PlainTextResponse(f"{error}\n", 503, {"retry-after": "10"})


async def _streamed(
    rows: Iterator[Any], write: Callable[[Iterable[Any]], bytes], head: bytes, media_type: str, name: str
) -> Response:
    """Answers 503 if it can't be started, or else all rows."""
    if not _running.acquire(blocking=False):
        return PlainTextResponse(
            "other exports are running: try again when they are done\n", 503, {"retry-after": "10"}
        )
    chunks = _chunks(rows, write, head)
    try:
        first = await anyio.to_thread.run_sync(next, chunks)
    except NotPermitted as error:
        return PlainTextResponse(f"{error}\n", 403)
    except TaskNotFound as error:
        return PlainTextResponse(f"{error}\n", 404)
    except TaskyardError as error:
        return PlainTextResponse(f"{error}\n", 503, {"retry-after": "10"})
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return StreamingResponse(_sent(first, chunks), media_type=media_type, headers=headers)


def _chunks(entries: Iterator[Any], write: Callable[[Iterable[Any]], bytes], head: bytes) -> Iterator[bytes]:
    """Yields the head and the entries as bytes, CHUNK_ROWS at a time, at least one piece; its end lets another
    export run.
    """
    try:
        first = list(itertools.islice(entries, CHUNK_ROWS))
        yield head + write(first)
        while rows := list(itertools.islice(entries, CHUNK_ROWS)):
            yield write(rows)
    finally:
        entries.close()  # type: ignore[attr-defined]
        _running.release()


async def _sent(first: bytes, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yields the pieces, made in a thread; a client that disconnects leaves nothing open."""
    try:
        yield first
        async for chunk in iterate_in_threadpool(chunks):
            yield chunk
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(chunks.close)  # type: ignore[attr-defined]
