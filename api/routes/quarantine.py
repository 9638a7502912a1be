"""Shows and drops what could not be processed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.models.quarantine import EXAMPLE_ENTRY, DroppedItems, QuarantinedItem, QuarantinedItems
from taskyard.api.reading import ServicesDep, in_thread
from taskyard.api.seeing import check_unnarrowed
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import ItemNotFound
from taskyard.core.redis.quarantine import MAX_ITEMS, Quarantined
from taskyard.core.submission import authorized_mail
from taskyard.core.views.masking import MASK, reads_payloads

router = APIRouter(prefix="/quarantine", tags=["quarantine"])
ItemId = Annotated[str, Path(alias="id", description="The item's id", examples=[EXAMPLE_ENTRY])]


@router.get("", summary="List quarantined items", dependencies=[needs(Permission.TASK_READ)])
async def find(
    services: ServicesDep, actor: ActorDep, limit: Annotated[int, Query(ge=1, le=MAX_ITEMS)] = 50
) -> QuarantinedItems:
    """Returns the newest items, for roles that are not narrowed: items are of no queue or type."""
    check_unnarrowed(actor, Permission.TASK_READ)
    quarantine = services.broker.quarantine
    found = await in_thread(quarantine.newest, limit)
    return QuarantinedItems(items=[_shown(one, actor) for one in found], count=await in_thread(quarantine.count))


@router.get("/{id}", summary="Get a quarantined item", dependencies=[needs(Permission.TASK_READ)])
async def get(item_id: ItemId, services: ServicesDep, actor: ActorDep) -> QuarantinedItem:
    """Returns an item with the beginning of its content."""
    check_unnarrowed(actor, Permission.TASK_READ)
    found = await in_thread(services.broker.quarantine.get, item_id)
    if found is None:
        raise ItemNotFound(item_id)
    return _shown(found, actor)


@router.delete("/{id}", summary="Drop a quarantined item", dependencies=[needs(Permission.TASK_OPERATE)])
async def drop(item_id: ItemId, services: ServicesDep, actor: ActorDep) -> DroppedItems:
    """Deletes an item; the alert about them resolves with the last."""
    dropped = await in_thread(authorized_mail.drop_quarantined, services.broker, actor, [item_id])
    if not dropped:
        raise ItemNotFound(item_id)
    return DroppedItems(dropped=dropped)


@router.delete("", summary="Drop all quarantined items", dependencies=[needs(Permission.TASK_OPERATE)])
async def drop_all(services: ServicesDep, actor: ActorDep) -> DroppedItems:
    """Deletes every item."""
    return DroppedItems(dropped=await in_thread(authorized_mail.drop_quarantined, services.broker, actor, None))


def _shown(found: Quarantined, actor: Actor) -> QuarantinedItem:
    if reads_payloads(actor):
        return QuarantinedItem.model_validate(found)
    return QuarantinedItem(**{**asdict(found), "text": "", "reason": MASK}, is_masked=True)
