"""Streams events as server-sent events: what a client missed while it was away comes when it is back."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.events import EventHub
from taskyard.api.models.events import Event
from taskyard.api.reading import ServicesDep, read
from taskyard.api.rights import Rights, RightsDep
from taskyard.api.routes.tasks import TaskId
from taskyard.api.seeing import seen_task
from taskyard.api.services import Services
from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.postgres.store import event_stream, tasks
from taskyard.core.postgres.store.event_stream import MAX_OPEN, Horizon, Position, StreamedEvent
from taskyard.core.states import TERMINAL
from taskyard.core.submission.commands import check_task_id
from taskyard.core.views.masking import masked_detail, reads_payloads

LAST_TRANSACTION = 2**63 - 1

router = APIRouter(tags=["events"], dependencies=[needs(Permission.TASK_READ)])
LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="The id of the last event received: goes on behind it")
]
Wanted = Annotated[list[str] | None, Query(description="Only these; may repeat")]


async def hub_of(request: Request) -> EventHub:
    """Returns the hub of this process."""
    return request.app.state.event_hub  # type: ignore[no-any-return]


async def start_of(last_event_id: LastEventId = None) -> Position | None:
    """Returns where to go on; raises SubmissionError, which a stream that has begun could not answer with."""
    return None if last_event_id is None else Position.parse(last_event_id)


async def start_of_task(
    task_id: TaskId, services: ServicesDep, actor: ActorDep, last_event_id: LastEventId = None
) -> Position:
    """Returns where to go on with a task's events; raises SubmissionError and TaskNotFound."""
    task = await read(services, tasks.get_task, await seen_task(services, actor, task_id))
    if last_event_id is not None:
        return Position.parse(last_event_id)
    return Position(Horizon(0, task.created_at - MAX_OPEN), 0, 0)


HubDep = Annotated[EventHub, Depends(hub_of)]


@router.get("/events", response_class=EventSourceResponse, summary="Follow all events")
async def follow(
    hub: HubDep,
    rights: RightsDep,
    start: Annotated[Position | None, Depends(start_of)],
    event: Wanted = None,
    queue: Wanted = None,
    type: Wanted = None,
    actor: Wanted = None,
) -> AsyncIterable[ServerSentEvent]:
    """Sends new events of the audit log as they are committed, in about 0.3 s.

    It ends once the sender may not see events any more.
    """
    wanted = {"event": event, "queue": queue, "type": type, "actor": actor}
    fields = {name: frozenset(values) for name, values in wanted.items() if values}
    async for position, found in hub.follow(start):
        viewer = await _reader(rights)
        if viewer is None:
            return
        if found is None or (_is_seen(viewer, found) and all(getattr(found, name) in fields[name] for name in fields)):
            yield _sent(position, found, viewer)


@router.get("/tasks/{id}/events", response_class=EventSourceResponse, summary="Follow a task's events")
async def follow_task(
    task_id: TaskId,
    hub: HubDep,
    services: ServicesDep,
    rights: RightsDep,
    start: Annotated[Position, Depends(start_of_task)],
) -> AsyncIterable[ServerSentEvent]:
    """Sends a task's events, from its submission on. It ends when the task has ended, or once the sender may not see
    it any more.
    """
    wanted = check_task_id(task_id)
    async for position, found in hub.follow(start, wanted):
        viewer = await _reader(rights)
        if viewer is None or (found is not None and not _is_seen(viewer, found)):
            return
        yield _sent(position, found, viewer)
        if found is None:
            if not await _comes_more(services, wanted, position.low):
                return
        elif found.to_state in TERMINAL and (await read(services, tasks.get_task, wanted)).state in TERMINAL:
            return


async def _reader(rights: Rights) -> Actor | None:
    """Returns who reads a stream, with the permissions of now; None once they may not any more."""
    viewer = await rights.now()
    return viewer if viewer is not None and viewer.may(Permission.TASK_READ) else None


async def _comes_more(services: Services, task_id: str, reached: Horizon) -> bool:
    """Returns True unless a task has ended and all its events were sent, as to one who comes back after its end."""
    task = await read(services, tasks.get_task, task_id)
    if task.state not in TERMINAL:
        return True
    return bool(await read(services, event_stream.between, reached, LAST_TRANSACTION, limit=1, task_id=task_id))


def _is_seen(viewer: Actor, found: StreamedEvent) -> bool:
    return not viewer.is_narrowed or viewer.sees(found.queue or EVERY, found.type or EVERY)


def _sent(position: Position, found: StreamedEvent | None, actor: Actor) -> ServerSentEvent:
    """Returns an event as it is sent; None becomes an id alone, from which a client goes on."""
    if found is None:
        return ServerSentEvent(id=str(position))
    shown = Event.model_validate(found)
    if not reads_payloads(actor):
        shown = shown.model_copy(update={"detail": masked_detail(found.event, found.detail), "is_masked": True})
    return ServerSentEvent(raw_data=shown.model_dump_json(), event=found.event, id=str(position))
