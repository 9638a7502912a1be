"""Cancels, retries or reprioritises many tasks, with a preview, and tells how far it is."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.document import answering, refusing
from taskyard.api.language import in_language_of
from taskyard.api.models.bulk import BulkOrder, BulkPreview, BulkProgress, BulkTarget
from taskyard.api.reading import ServicesDep, acting_for, in_thread
from taskyard.api.rights import RightsDep
from taskyard.api.services import Services
from taskyard.api.streams import streamed
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import TaskyardError
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.submission.bulk import BulkResult
from taskyard.core.submission.bulk_operation import Action, Operation
from taskyard.core.submission.bulk_preview import Target, check_bulk_retry, load_preview
from taskyard.core.submission.commands import check_task_ids
from taskyard.core.threads import OnEscape, start_thread
from taskyard.core.views.masking import check_bulk_search
from taskyard.core.views.narrowing import limited, seen_ids

NDJSON = "application/x-ndjson"
_LINES = '{"done": 500, "skipped": 0, "total": 512, "is_over": false}\n'
_OVER = '{"done": 512, "skipped": 0, "total": 512, "is_over": true, "id": "…", "dependants": 0, "is_stopped": false}\n'

router = APIRouter(prefix="/tasks/bulk", tags=["tasks"], dependencies=[needs(Permission.TASK_OPERATE)])


@router.post("/preview", summary="Preview an operation on many tasks")
async def preview_bulk(given: BulkTarget, services: ServicesDep, actor: ActorDep) -> BulkPreview:
    """Counts the tasks that are meant and those that the operation would change; it changes nothing."""
    target = await in_thread(_target, services, actor, given)
    permitted = acting_for(services, actor)
    preview = partial(load_preview, scope=given.scope)
    seen = await in_thread(preview, services.database, permitted, given.action, target, given.priority)
    return BulkPreview.of(seen)


@router.post(
    "",
    summary="Change many tasks",
    response_class=StreamingResponse,
    responses={
        **answering({NDJSON: _LINES + _OVER}, "Progress, a `BulkProgress` a line; the last one `is_over`"),
        **refusing(503),
    },
)
async def run_bulk(
    given: BulkOrder, services: ServicesDep, actor: ActorDep, rights: RightsDep, request: Request
) -> StreamingResponse:
    """Cancels, retries or reprioritises everything that is meant, in batches, and streams how far it is.

    It stops after its current batch if the client goes away or its rights change; the same request again does the rest.
    """
    operation = Operation(given.action, actor.name, given.reason, given.priority, given.scope)
    target = await in_thread(_target, services, actor, given)
    permitted = acting_for(services, actor)
    if given.action is Action.RETRY:
        await in_thread(check_bulk_retry, services.database, permitted, operation, target)
    matching = None if given.matching is None else given.matching.matching()
    operations = permitted.bulk()

    def work(progress: Callable[[int, int, int], object], should_stop: Callable[[], bool]) -> BulkResult:
        if target.only is None:
            return operations.run_listed(operation, target.ids, progress=progress, should_stop=should_stop)
        return operations.run_matching(
            operation, target.only, matching=matching, progress=progress, should_stop=should_stop
        )

    return await streamed(rights, lambda: _lines(work, in_language_of(request)), NDJSON)


Work = Callable[[Callable[[int, int, int], object], Callable[[], bool]], BulkResult]


def _lines(work: Work, say: Callable[[str], str]) -> Generator[bytes, None, None]:
    """Yields a line for each batch and one for the end; an error before the first line is raised."""
    told: queue.SimpleQueue[tuple[int, int, int] | BulkResult | BaseException] = queue.SimpleQueue()
    stop = threading.Event()

    def do() -> None:
        try:
            told.put(work(lambda done, skipped, total: told.put((done, skipped, total)), stop.is_set))
        except TaskyardError as error:
            told.put(error)

    done = skipped = total = 0
    is_first = True
    thread = start_thread("bulk operation", do, OnEscape.END_THREAD, mend=told.put)
    try:
        while True:
            news = told.get()
            if isinstance(news, tuple):
                done, skipped, total = news
                yield _line(BulkProgress(done=done, skipped=skipped, total=total))
                is_first = False
                continue
            if isinstance(news, BulkResult):
                yield _line(_ended(news, total))
            elif is_first or not isinstance(news, TaskyardError):
                raise news
            else:
                yield _line(BulkProgress(done=done, skipped=skipped, total=total, is_over=True, problem=say(news.text)))
            return
    finally:
        stop.set()
        thread.join()


def _ended(result: BulkResult, total: int) -> BulkProgress:
    return BulkProgress(
        done=result.done,
        skipped=result.skipped,
        total=max(total, result.done + result.skipped),
        is_over=True,
        id=result.id,
        dependants=result.dependants,
        is_stopped=result.is_stopped,
    )


def _line(progress: BulkProgress) -> bytes:
    return progress.model_dump_json(exclude_none=True).encode() + b"\n"


def _target(services: Services, actor: Actor, given: BulkTarget) -> Target:
    """Returns the tasks that are meant and that the actor sees; raises SubmissionError and NotPermitted."""
    chosen = [name for name in ("filter", "all", "ids") if getattr(given, name) not in (None, False, {})]
    if len(chosen) != 1:
        raise refused("filter", given.filter, msg("one of: a filter with conditions, ids, or all"))
    if given.ids is not None:
        ids = check_task_ids(given.ids)
        with services.database.transaction() as tx:
            seen_ones = seen_ids(tx, actor, ids)
        return Target(ids=tuple(one for one in ids if one in seen_ones))
    only = TaskFilter.from_json(given.filter or {})
    check_bulk_search(only, actor)
    with services.database.transaction() as tx:
        seen = limited(tx, only, actor)
    if seen is None:
        raise refused("filter", given.filter, msg("a filter for tasks of your queues and types"))
    return Target(only=seen)
