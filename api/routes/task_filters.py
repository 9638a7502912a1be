"""Lists, saves and deletes searches for tasks that everybody sees."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.models.bulk import NewFilter, SavedFilterInfo
from taskyard.api.reading import ServicesDep, read
from taskyard.api.seeing import missing
from taskyard.core.access.permissions import Permission
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.i18n import msg
from taskyard.core.postgres.store.saved_filters import saved_filters
from taskyard.core.submission import authorized_controls

router = APIRouter(prefix="/task-filters", tags=["tasks"])


@router.get("", summary="List saved filters", dependencies=[needs(Permission.TASK_READ)])
async def find_filters(services: ServicesDep) -> list[SavedFilterInfo]:
    """Returns the saved searches for tasks by name."""
    return [
        SavedFilterInfo(
            name=one.name,
            filter=None if one.filter is None else one.filter.as_json(),
            problem=one.problem,
            actor=one.actor,
            saved_at=one.saved_at,
        )
        for one in await read(services, saved_filters)
    ]


@router.post("", status_code=204, summary="Save a filter", dependencies=[needs(Permission.TASK_OPERATE)])
async def save_filter(given: NewFilter, services: ServicesDep, actor: ActorDep) -> None:
    """Saves a search for everybody; a name that is taken is refused, unless it is to be overwritten."""
    only = TaskFilter.from_json(given.filter)
    await read(services, authorized_controls.save_filter, actor, given.name, only, overwrite=given.overwrite)


@router.delete(
    "/{name:path}", status_code=204, summary="Delete a filter", dependencies=[needs(Permission.TASK_OPERATE)]
)
async def delete_filter(
    name: Annotated[str, Path(description="The filter's name")], services: ServicesDep, actor: ActorDep
) -> None:
    """Deletes a saved search."""
    if not await read(services, authorized_controls.delete_filter, actor, name):
        raise missing(msg("no filter is called {name}", name=name))
