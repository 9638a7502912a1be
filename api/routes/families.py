"""Shows and cancels what tasks submitted while they ran."""

from __future__ import annotations

from fastapi import APIRouter

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.models.tasks import CancelledTree, OpenBelow
from taskyard.api.reading import ServicesDep, acting_for, in_thread
from taskyard.api.routes.tasks import Reason, TaskId
from taskyard.core.access.permissions import Permission

router = APIRouter(prefix="/tasks", tags=["tasks"])


@router.get("/{id}/open-below", summary="Get unfinished tasks below a task", dependencies=[needs(Permission.TASK_READ)])
async def open_below(task_id: TaskId, services: ServicesDep, actor: ActorDep) -> OpenBelow:
    """Returns the unfinished tasks that it and its children submitted; cancelling it alone does not end them."""
    return OpenBelow(ids=await in_thread(acting_for(services, actor).open_below, task_id))


@router.post("/{id}/cancel-tree", summary="Cancel a task and all below it")
async def cancel_tree(
    task_id: TaskId, services: ServicesDep, actor: ActorDep, given: Reason | None = None
) -> CancelledTree:
    """Cancels a task with all unfinished tasks that it and its children submitted; a repetition does the rest."""
    reason = given.reason if given else ""
    return CancelledTree(cancelled_below=await in_thread(acting_for(services, actor).cancel_tree, task_id, reason))
