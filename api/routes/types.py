"""Shows task types with their schemas."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.models.types import TaskTypeDetails, TaskTypeSummary
from taskyard.api.reading import ServicesDep, read
from taskyard.api.seeing import check_type, missing
from taskyard.core.access.permissions import Permission
from taskyard.core.i18n import msg
from taskyard.core.postgres.store import holds
from taskyard.core.scheduling.holds import HoldKind
from taskyard.core.views.seeing import sees_type

router = APIRouter(prefix="/types", tags=["types"])
TypeName = Annotated[str, Path(alias="name", description="The name of the task type", examples=["diagnostic.echo"])]


@router.get("", summary="List task types", dependencies=[needs(Permission.TASK_READ)])
async def find(services: ServicesDep, actor: ActorDep) -> list[TaskTypeSummary]:
    """Returns the task types that this API knows, by name, without their schemas."""
    held = (await read(services, holds.holds)).by_name
    return [
        TaskTypeSummary.of(known, held.get((HoldKind.TYPE, name)))
        for name, known in sorted(services.registry.types.items())
        if sees_type(actor, name)
    ]


@router.get("/{name}", summary="Get a task type", dependencies=[needs(Permission.TASK_READ)])
async def get(name: TypeName, services: ServicesDep, actor: ActorDep) -> TaskTypeDetails:
    """Returns a task type with the JSON Schemas of its input and output."""
    check_type(actor, name)
    known = services.registry.types.get(name)
    if known is None:
        raise missing(msg("task type {name} does not exist", name=name))
    held = (await read(services, holds.holds)).by_name
    return TaskTypeDetails.of(known, held.get((HoldKind.TYPE, name)))
