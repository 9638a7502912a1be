"""Submits, shows, searches and changes tasks."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import Field

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.document import refusing
from taskyard.api.masking import masked_event, masked_result, masked_task
from taskyard.api.models.common import Reason
from taskyard.api.models.retries import RETRY_SCOPES, Retried, RetryPlan
from taskyard.api.models.tasks import (
    CancelledTree,
    HistoryEvent,
    LogLine,
    LogPage,
    NewTask,
    Submitted,
    TaskDetails,
    TaskPage,
    TaskResult,
    TaskSummary,
)
from taskyard.api.reading import ServicesDep, acting_for, in_thread, read
from taskyard.api.rights import RightsDep
from taskyard.api.searching import SearchDep
from taskyard.api.seeing import seen_filter, seen_task
from taskyard.api.services import Services
from taskyard.api.submissions import Outcome
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.edges import CancelScope, RetryScope
from taskyard.core.errors import TaskNotFound
from taskyard.core.explain import why as explained
from taskyard.core.filters.search_filter import Sort
from taskyard.core.i18n import msg
from taskyard.core.models import Task
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.store import search, task_logs, tasks
from taskyard.core.postgres.store.audit import EventCursor
from taskyard.core.postgres.store.cursors import Cursor
from taskyard.core.reasons import Reasons
from taskyard.core.states import TERMINAL
from taskyard.core.submission.commands import check_task_id
from taskyard.core.views.masking import check_search, reads_payloads
from taskyard.core.views.narrowing import check_seen

MAX_WAIT_SECONDS = 60.0
FIRST_POLL_SECONDS, MAX_POLL_SECONDS = 0.005, 0.25

router = APIRouter(prefix="/tasks", tags=["tasks"])
TaskId = Annotated[str, Path(alias="id", description="The task's id")]
_ANSWERED: dict[str, Any] = {"dependencies": [needs(Permission.TASK_OPERATE)], "responses": refusing(409)}
_CHANGES: dict[str, Any] = {"status_code": 204, **_ANSWERED}
Explain = Annotated[bool, Query(description="Also say why no agent can take a task that waits for one")]


_REPEATED = {"model": Submitted, "description": "An earlier request with the same idempotency key made the task"}


class NewPriority(Reason):
    """A new priority."""

    priority: str = Field(description="low, medium, high or urgent", examples=["urgent"])


class RetryOrder(Reason):
    """A retry of a task."""

    scope: RetryScope = Field(RetryScope.THIS, description=RETRY_SCOPES)


class CancelOrder(Reason):
    """A cancellation of a task."""

    scope: CancelScope = Field(
        CancelScope.THIS,
        description="`this`: it and what waits for it; `tree`: also all unfinished tasks that it or these submitted",
    )


@router.post(
    "",
    status_code=201,
    summary="Submit a task",
    dependencies=[needs(Permission.TASK_SUBMIT)],
    responses={201: {"description": "The task is stored"}, 200: _REPEATED, **refusing(409)},
)
async def submit(
    task: NewTask,
    request: Request,
    services: ServicesDep,
    actor: ActorDep,
    response: Response,
    idempotency_key: Annotated[
        str | None, Header(description="The same key again is the same task: a repeated request doubles nothing")
    ] = None,
) -> Submitted:
    """Stores a task, which is committed when the answer comes, and returns its id.

    A request that comes again with the same idempotency key is answered with the same task and the status 200.
    """
    size_bytes = int(request.headers.get("content-length") or 0)
    task_id, is_new = await submitted(services, actor, task, idempotency_key, size_bytes)
    response.status_code = 201 if is_new else 200
    response.headers["location"] = f"/api/v1/tasks/{task_id}"
    return Submitted(id=task_id)


async def submitted(
    services: Services, actor: Actor, task: NewTask, idempotency_key: str | None, size_bytes: int
) -> Outcome:
    """Submits a task on behalf of an actor; returns its id, and whether this request made it.

    Raises the errors of `Authorized.submit`. `idempotency_key` is that of the header, `size_bytes` the length of
    the whole request's body.
    """
    actor.require(Permission.TASK_SUBMIT)
    options = task.options()
    if idempotency_key is not None and options.setdefault("idempotency_key", idempotency_key) != idempotency_key:
        raise refused("idempotency_key", task.idempotency_key, msg("the key of the header Idempotency-Key"))
    acting = acting_for(services, actor)
    if task.type in services.registry.types:
        options = acting.signed(task.type, options)
    else:
        options = await in_thread(acting.signed, task.type, options)  # agents may have published the type
    with acting.hiding_conflicts():
        return await services.submissions.submit(task.type, task.input, options, size_bytes=size_bytes)


@router.get("", summary="Search tasks", dependencies=[needs(Permission.TASK_READ)])
async def find(
    only: SearchDep,
    services: ServicesDep,
    actor: ActorDep,
    sort: Annotated[Sort, Query(description="The order of the tasks")] = Sort.NEWEST,
    after: Annotated[str | None, Query(description="`next` or `previous` of an earlier page")] = None,
    limit: Annotated[int, Query(ge=1, le=search.MAX_PAGE_SIZE)] = 50,
    explain: Explain = False,
) -> TaskPage:
    """Returns tasks that match every parameter, a page at a time. Pages stay in place while new tasks arrive."""
    check_search(only, actor)
    place = None if after is None else Cursor.parse(after)
    seen = await seen_filter(services, actor, only)
    if seen is None:
        return TaskPage(tasks=[], next=None, previous=None, searched_to=None)
    found = await read(
        services, search.find, seen, sort=sort, after=place, limit=limit, reads_errors=reads_payloads(actor)
    )
    why = (await read(services, Reasons.read)).of_task if explain else _unexplained
    return TaskPage(
        tasks=[masked_task(TaskSummary.of(task, why(task)), actor) for task in found.tasks],
        next=None if found.next is None else str(found.next),
        previous=None if found.previous is None else str(found.previous),
        searched_to=found.searched_to,
    )


@router.get("/{id}", summary="Get a task", dependencies=[needs(Permission.TASK_READ)])
async def get(task_id: TaskId, services: ServicesDep, actor: ActorDep, explain: Explain = False) -> TaskDetails:
    """Returns a task with its input, output and last checkpoint."""
    task = await read(services, tasks.get_task, check_task_id(task_id))
    check_seen(actor, [task], task.id)
    why = (await read(services, Reasons.read)).of_task(task) if explain else None
    return masked_task(TaskDetails.of(task, why), actor)


@router.get("/{id}/result", summary="Wait for a task's result", dependencies=[needs(Permission.TASK_READ)])
async def result(
    task_id: TaskId,
    services: ServicesDep,
    actor: ActorDep,
    rights: RightsDep,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait until it has ended")] = 0,
) -> TaskResult:
    """Returns a task's state with its output or error; `wait` keeps the request open until it has ended."""
    wanted = await seen_task(services, actor, task_id) if actor.is_narrowed else check_task_id(task_id)
    deadline = time.monotonic() + wait
    pause = FIRST_POLL_SECONDS
    while True:
        found = (await read(services, tasks.endings, [wanted])).get(wanted)
        if found is None:
            raise TaskNotFound(wanted)
        remaining = deadline - time.monotonic()
        if found.state in TERMINAL or remaining <= 0:
            is_over = found.state in TERMINAL
            ended = TaskResult(id=wanted, state=found.state, is_over=is_over, output=found.output, error=found.error)
            if wait:
                await rights.check()
            return masked_result(ended, actor)
        await asyncio.sleep(min(pause, remaining))
        pause = min(pause * 1.5, MAX_POLL_SECONDS)


@router.get("/{id}/history", summary="Get a task's history", dependencies=[needs(Permission.TASK_READ)])
async def history(task_id: TaskId, services: ServicesDep, actor: ActorDep) -> list[HistoryEvent]:
    """Returns a task's last 1,000 events, oldest first, without its log."""
    wanted = await seen_task(services, actor, task_id)
    events = await read(services, tasks.history, wanted)
    return [masked_event(HistoryEvent.model_validate(event), actor) for event in events]


@router.get("/{id}/log", summary="Get a task's log", dependencies=[needs(Permission.PAYLOAD_READ)])
async def log(
    task_id: TaskId,
    services: ServicesDep,
    actor: ActorDep,
    before: Annotated[str | None, Query(description="`older` of a later page")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> LogPage:
    """Returns the newest entries of its attempts' log output, oldest first, or those before a page."""
    place = None if before is None else EventCursor.parse(before)
    wanted = await seen_task(services, actor, task_id)
    page = await read(services, task_logs.newest, wanted, before=place, limit=limit)
    entries = [LogLine.model_validate(entry) for entry in page.entries]
    return LogPage(entries=entries, older=None if page.older is None else str(page.older))


@router.get("/{id}/why", summary="Explain why a task waits", dependencies=[needs(Permission.TASK_READ)])
async def why(task_id: TaskId, services: ServicesDep, actor: ActorDep) -> dict[str, Any]:
    """Returns its holds, its place in its lane, each agent's eligibility and its estimated start."""
    wanted = await seen_task(services, actor, task_id)
    servers = services.database, services.broker, services.cache
    found = await in_thread(explained, *servers, wanted, services.settings.auth)
    return found.as_json()


@router.post("/{id}/cancel", summary="Cancel a task", **_ANSWERED)
async def cancel(
    task_id: TaskId, services: ServicesDep, actor: ActorDep, given: CancelOrder | None = None
) -> CancelledTree:
    """Cancels an unfinished task for good, and those that wait for it; a running one is stopped.

    With the scope `tree` also all unfinished tasks that it and its children submitted.
    """
    if actor.is_narrowed:
        await seen_task(services, actor, task_id)
    order = given or CancelOrder()
    count = await in_thread(acting_for(services, actor).cancel, task_id, order.reason, order.scope)
    return CancelledTree(cancelled_below=count)


@router.post("/{id}/retry", summary="Retry a task", **_ANSWERED)
async def retry(task_id: TaskId, services: ServicesDep, actor: ActorDep, given: RetryOrder | None = None) -> Retried:
    """Makes a failed or cancelled task pending again, with a new budget of attempts.

    With a scope others run again with it, and wait for it as when they were submitted.
    """
    if actor.is_narrowed:
        await seen_task(services, actor, task_id)
    order = given or RetryOrder()
    done = await in_thread(acting_for(services, actor).retry, task_id, order.reason, order.scope)
    return Retried(tasks=done.tasks, cancelled_below=done.cancelled_below)


@router.get("/{id}/retry-preview", summary="Preview a retry of a task", **_ANSWERED)
async def preview_retry(
    task_id: TaskId,
    services: ServicesDep,
    actor: ActorDep,
    scope: Annotated[RetryScope, Query(description=RETRY_SCOPES)] = RetryScope.DOWNSTREAM,
) -> RetryPlan:
    """Returns what a retry would make run again; it changes nothing, and is refused as the retry would be."""
    if actor.is_narrowed:
        await seen_task(services, actor, task_id)
    return RetryPlan.of(await in_thread(acting_for(services, actor).preview_retry, task_id, scope))


@router.post("/{id}/priority", summary="Change a task's priority", **_CHANGES)
async def reprioritise(task_id: TaskId, given: NewPriority, services: ServicesDep, actor: ActorDep) -> None:
    """Changes the priority of a task that has no agent yet."""
    if actor.is_narrowed:
        await seen_task(services, actor, task_id)
    await in_thread(acting_for(services, actor).reprioritise, task_id, given.priority, given.reason)


def _unexplained(_task: Task) -> str | None:
    return None
