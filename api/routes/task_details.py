"""Shows a task's attempts, relatives, open descendants and whole log, and cancels it with its descendants."""

from __future__ import annotations

from collections.abc import Generator
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.document import answering, refusing
from taskyard.api.models.common import Reason
from taskyard.api.models.task_details import AttemptInfo, RelatedTask, RelativesInfo
from taskyard.api.models.tasks import CancelledTree, OpenBelow
from taskyard.api.reading import ServicesDep, acting_for, in_thread, read
from taskyard.api.rights import RightsDep
from taskyard.api.seeing import seen_task
from taskyard.api.streams import streamed, written
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import TaskNotFound
from taskyard.core.exported_rows import log_lines
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import related_tasks, task_logs, tasks
from taskyard.core.views.attempts import attempts_of
from taskyard.core.views.masking import MASK, reads_payloads
from taskyard.core.views.narrowing import seen_ids, seen_relatives
from taskyard.core.views.relatives import relatives_of

TEXT = "text/plain; charset=utf-8"
router = APIRouter(prefix="/tasks/{id}", tags=["tasks"])
TaskId = Annotated[str, Path(alias="id", description="The task's id")]


@router.get("/attempts", summary="Get a task's attempts", dependencies=[needs(Permission.TASK_READ)])
async def attempts(task_id: TaskId, services: ServicesDep, actor: ActorDep) -> list[AttemptInfo]:
    """Returns every attempt by its number: when it waited, ran and backed off, where, and how it ended."""
    wanted = await seen_task(services, actor, task_id)
    return await read(services, _attempts, wanted, None if reads_payloads(actor) else MASK)


@router.get("/relatives", summary="Get a task's relatives", dependencies=[needs(Permission.TASK_READ)])
async def relatives(task_id: TaskId, services: ServicesDep, actor: ActorDep) -> RelativesInfo:
    """Returns the tasks that submitted it, that it submitted, that it waits for and that wait for it."""
    wanted = await seen_task(services, actor, task_id)
    return await read(services, _relatives, actor, wanted)


@router.get(
    "/log/export",
    summary="Export a task's log",
    dependencies=[needs(Permission.PAYLOAD_READ)],
    response_class=StreamingResponse,
    responses=answering({"text/plain": "2026-01-05T12:00:00+00:00 #1 info: begun\n"}, "The log as text"),
)
async def export_log(task_id: TaskId, services: ServicesDep, actor: ActorDep, rights: RightsDep) -> StreamingResponse:
    """Streams every entry of its attempts' logs in order: time, attempt, level and message."""
    wanted = await seen_task(services, actor, task_id)

    def pieces() -> Generator[bytes, None, None]:
        with services.database.transaction() as tx:
            yield from written(iter(task_logs.whole(tx, wanted)), log_lines, b"")

    return await streamed(rights, pieces, TEXT, f"taskyard-log-{wanted}.txt")


@router.get("/open-below", summary="Get unfinished descendants", dependencies=[needs(Permission.TASK_READ)])
async def open_below(task_id: TaskId, services: ServicesDep, actor: ActorDep) -> OpenBelow:
    """Returns the unfinished tasks that it and its descendants submitted; cancelling it alone does not end them."""
    wanted = await seen_task(services, actor, task_id)
    return OpenBelow(ids=await read(services, _open_below, actor, wanted))


@router.post(
    "/cancel-tree",
    summary="Cancel a task with its descendants",
    dependencies=[needs(Permission.TASK_OPERATE)],
    responses=refusing(409),
)
async def cancel_tree(
    task_id: TaskId, services: ServicesDep, actor: ActorDep, given: Reason | None = None
) -> CancelledTree:
    """Cancels a task and all unfinished tasks that it and its descendants submitted."""
    if actor.is_narrowed:
        await seen_task(services, actor, task_id)
    count = await in_thread(acting_for(services, actor).cancel_tree, task_id, given.reason if given else "")
    return CancelledTree(cancelled_below=count)


def _attempts(tx: Transaction, task_id: str, hidden: str | None) -> list[AttemptInfo]:
    known = tasks.tasks_of(tx, [task_id])
    if not known:
        raise TaskNotFound(task_id)
    now = tasks.now(tx)
    found = attempts_of(known[0], tasks.history(tx, task_id))
    return [AttemptInfo.of(attempt, now, hidden) for attempt in found]


def _open_below(tx: Transaction, actor: Actor, task_id: str) -> list[str]:
    found = related_tasks.open_below(tx, task_id)
    seen = seen_ids(tx, actor, found)
    return [one for one in found if one in seen]


def _relatives(tx: Transaction, actor: Actor, task_id: str) -> RelativesInfo:
    found = relatives_of(tx, task_id)
    if found is None:
        raise TaskNotFound(task_id)
    seen = seen_relatives(tx, actor, found)
    kinds = {name: getattr(seen, name) for name in ("parents", "children", "awaited", "dependants")}
    shown = {name: [RelatedTask.model_validate(one) for one in related] for name, related in kinds.items()}
    return RelativesInfo(**shown, workflow_id=found.workflow_id)
