"""Shows queues, and holds queues and task types."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.language import in_language_of
from taskyard.api.models.common import RANGE_TEXT, Changed, HoldInfo, ReasonText, range_seconds
from taskyard.api.models.queues import LaneInfo, NewHold, QueueDetails, QueueInfo, Queues, QueueSeries
from taskyard.api.reading import ServicesDep, in_thread, read
from taskyard.api.routes.types import TypeName
from taskyard.api.seeing import check_queue, check_type, missing
from taskyard.api.services import Services
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.i18n import msg
from taskyard.core.postgres.store import holds, tasks
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission import authorized_controls
from taskyard.core.submission.validate import check_label
from taskyard.core.telemetry.live_snapshot import read_live
from taskyard.core.views.narrowing import seen_queues
from taskyard.core.views.queues import QueuesNow, queue_charts, queues_now
from taskyard.core.views.seeing import sees_all_types, sees_hold

router = APIRouter(tags=["queues"])
QueueName = Annotated[str, Path(alias="name", description="The name of the queue", examples=["default"])]
WhyQuery = Annotated[ReasonText, Query()]
Sort = Literal["name", "ready", "oldest"]


@router.get("/queues", summary="List queues", dependencies=[needs(Permission.TASK_READ)])
async def find(
    services: ServicesDep,
    actor: ActorDep,
    text: Annotated[str, Query(max_length=200, description="A part of the name, in any case")] = "",
    state: Annotated[Literal["open", "paused", "draining"] | None, Query(description="Only queues like this")] = None,
    sort: Annotated[Sort, Query(description="By name, or those with most, or longest, ready tasks first")] = "name",
) -> Queues:
    """Returns all queues with unfinished tasks, a hold, a setting or activity in the last hour."""
    now = await in_thread(_now, services, actor)
    found = [q for q in now.queues if text.lower() in q.name.lower() and state in (None, q.state)]
    if sort == "ready":
        found.sort(key=lambda queue: -queue.ready)
    elif sort == "oldest":
        found.sort(key=lambda queue: -(queue.figures.oldest_seconds or 0.0))
    has_rates = sees_all_types(actor)
    return Queues(is_led=now.is_led, queues=[QueueInfo.of(queue, has_rates=has_rates) for queue in found])


@router.get("/queues/{name}", summary="Get a queue", dependencies=[needs(Permission.TASK_READ)])
async def get(name: QueueName, services: ServicesDep, actor: ActorDep, request: Request) -> QueueDetails:
    """Returns a queue with its lanes: its ready tasks by what their agent needs, and why no agent takes them."""
    check_queue(actor, name)
    now = await in_thread(_now, services, actor)
    queue = next((queue for queue in now.queues if queue.name == name), None)
    if queue is None:
        raise missing(msg("queue {name} does not exist", name=name))
    shown = QueueInfo.of(queue, has_rates=sees_all_types(actor))
    return QueueDetails(**dict(shown), lanes=[LaneInfo.of(lane, in_language_of(request)) for lane in queue.lanes])


@router.get(
    "/queues/{name}/series", summary="Get a queue's figures over time", dependencies=[needs(Permission.TASK_READ)]
)
async def series(
    name: QueueName,
    services: ServicesDep,
    actor: ActorDep,
    range: Annotated[str, Query(description=RANGE_TEXT)] = "1h",
) -> QueueSeries:
    """Returns arrivals, ends, backlog and its age over a range until now, for roles that see all task types."""
    check_queue(actor, name)
    actor.require(Permission.TASK_READ, queue=name, type_="*")
    seconds = range_seconds(range)
    until = (await read(services, tasks.now)).timestamp()
    return QueueSeries.model_validate(await read(services, queue_charts, name, until, seconds))


@router.get("/holds", summary="List holds", dependencies=[needs(Permission.TASK_READ)])
async def find_holds(services: ServicesDep, actor: ActorDep) -> list[HoldInfo]:
    """Returns what is paused or draining, by whom and why: queues, task types and agents."""
    found = (await read(services, holds.holds)).by_name.values()
    return [HoldInfo.model_validate(hold) for hold in found if sees_hold(actor, hold)]


@router.put("/queues/{name}/hold", summary="Hold a queue", dependencies=[needs(Permission.QUEUE_HOLD)])
async def hold_queue(name: QueueName, given: NewHold, services: ServicesDep, actor: ActorDep) -> Changed:
    """Pauses or drains a queue, through restarts of everything, until its hold is ended."""
    check_queue(actor, name)
    check_label("queue", name)
    return await _hold(services, actor, HoldKind.QUEUE, name, given)


@router.delete("/queues/{name}/hold", summary="End a queue's hold", dependencies=[needs(Permission.QUEUE_HOLD)])
async def release_queue(name: QueueName, services: ServicesDep, actor: ActorDep, reason: WhyQuery = "") -> Changed:
    """Ends the pause or drain of a queue."""
    check_queue(actor, name)
    return await _release(services, actor, HoldKind.QUEUE, name, reason)


@router.put("/types/{name}/hold", summary="Hold a task type", dependencies=[needs(Permission.QUEUE_HOLD)])
async def hold_type(name: TypeName, given: NewHold, services: ServicesDep, actor: ActorDep) -> Changed:
    """Pauses or drains a task type in all queues, through restarts of everything, until its hold is ended."""
    check_type(actor, name)
    if name not in services.registry.types and not await read(services, holds.is_type_known, name):
        raise missing(msg("task type {name} does not exist", name=name))
    return await _hold(services, actor, HoldKind.TYPE, name, given)


@router.delete("/types/{name}/hold", summary="End a task type's hold", dependencies=[needs(Permission.QUEUE_HOLD)])
async def release_type(name: TypeName, services: ServicesDep, actor: ActorDep, reason: WhyQuery = "") -> Changed:
    """Ends the pause or drain of a task type."""
    check_type(actor, name)
    return await _release(services, actor, HoldKind.TYPE, name, reason)


def _now(services: Services, actor: Actor) -> QueuesNow:
    """Returns the queues that an actor sees."""
    snapshot = read_live(services.cache)
    with services.database.transaction() as tx:
        now = queues_now(tx, snapshot, services.settings, services.registry.types, actor.sees)
    return seen_queues(actor, now)


async def _hold(services: Services, actor: Actor, kind: HoldKind, name: str, given: NewHold) -> Changed:
    mode = HoldMode(given.mode)
    is_changed = await read(services, authorized_controls.hold, actor, kind, name, mode, given.reason)
    return Changed(is_changed=is_changed)


async def _release(services: Services, actor: Actor, kind: HoldKind, name: str, reason: str) -> Changed:
    is_changed = await read(services, authorized_controls.release, actor, kind, name, reason)
    return Changed(is_changed=is_changed)
