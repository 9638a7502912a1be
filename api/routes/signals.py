"""Sends signals to tasks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.document import refusing
from taskyard.api.models.signals import NewSignal
from taskyard.api.models.tasks import SignalStored
from taskyard.api.reading import ServicesDep, acting_for, in_thread
from taskyard.api.routes.tasks import TaskId
from taskyard.api.seeing import seen_task
from taskyard.core.access.permissions import Permission

router = APIRouter(prefix="/tasks", tags=["tasks"])
Name = Annotated[str, Path(description="The name that the task waits for", examples=["approved"])]


@router.post(
    "/{id}/signals/{name}",
    summary="Send a signal to a task",
    dependencies=[needs(Permission.TASK_OPERATE)],
    responses=refusing(409),
)
async def send_signal(
    task_id: TaskId, name: Name, given: NewSignal, services: ServicesDep, actor: ActorDep
) -> SignalStored:
    """Stores a signal of an unfinished task, and wakes the task if it waits for one by this name.

    The same `signal_id` again is the same signal: nothing changes. Data that do not fit what the task waits for are
    refused; an early signal is kept until the task asks for it.
    """
    if actor.is_narrowed:
        await seen_task(services, actor, task_id)
    acting = acting_for(services, actor)
    is_new = await in_thread(acting.send_signal, task_id, name, given.data, given.signal_id, given.reason)
    return SignalStored(is_new=is_new)
