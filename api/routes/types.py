"""Shows task types with their schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.models.types import TaskTypeDetails, TaskTypeSummary
from taskyard.api.reading import ServicesDep, in_thread, read
from taskyard.api.seeing import check_type, missing
from taskyard.api.services import Services
from taskyard.core.access.permissions import Permission
from taskyard.core.i18n import msg
from taskyard.core.postgres.store import holds
from taskyard.core.scheduling.holds import Hold, HoldKind
from taskyard.core.task_types.published import PublishedType
from taskyard.core.views.seeing import sees_type

router = APIRouter(prefix="/types", tags=["types"])
TypeName = Annotated[str, Path(alias="name", description="The name of the task type", examples=["diagnostic.echo"])]


@router.get("", summary="List task types", dependencies=[needs(Permission.TASK_READ)])
async def find(services: ServicesDep, actor: ActorDep) -> list[TaskTypeSummary]:
    """Returns the task types that this API has, and those that agents published, by name, without their schemas."""
    held = (await read(services, holds.holds)).by_name
    found = {name: TaskTypeSummary.of(known, _of(held, name)) for name, known in services.registry.types.items()}
    for name, published in (await in_thread(_published, services)).items():
        found.setdefault(name, TaskTypeSummary.of_agents(published, _of(held, name)))
    return [found[name] for name in sorted(found) if sees_type(actor, name)]


@router.get("/{name}", summary="Get a task type", dependencies=[needs(Permission.TASK_READ)])
async def get(name: TypeName, services: ServicesDep, actor: ActorDep) -> TaskTypeDetails:
    """Returns a task type with the JSON Schemas of its input and output."""
    check_type(actor, name)
    hold = _of((await read(services, holds.holds)).by_name, name)
    known = services.registry.types.get(name)
    if known is not None:
        return TaskTypeDetails.of(known, hold)
    published = (await in_thread(_published, services)).get(name)
    if published is None:
        raise missing(msg("task type {name} does not exist", name=name))
    return TaskTypeDetails.of_agents(published, hold)


def _published(services: Services) -> Mapping[str, PublishedType]:
    return {} if services.published is None else services.published.all()


def _of(held: Mapping[tuple[HoldKind, str], Hold], name: str) -> Hold | None:
    return held.get((HoldKind.TYPE, name))
