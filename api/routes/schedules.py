"""Manages schedules, which submit tasks again and again."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.models.schedules import (
    Applied,
    Backfilled,
    ChangedSchedule,
    DeclaredSchedules,
    FireInfo,
    FireTimes,
    GivenTime,
    NewSchedule,
    RanNow,
    ScheduleChange,
    ScheduleInfo,
    ScheduleRule,
    Span,
)
from taskyard.api.reading import ServicesDep, acting_for, in_thread, read
from taskyard.api.seeing import missing
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.i18n import msg
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import schedules as store
from taskyard.core.schedules.moments import check_moment
from taskyard.core.schedules.schedule import OF_A_FILE, Schedule, check_schedule, check_schedule_name
from taskyard.core.schedules.words import in_words
from taskyard.core.submission import authorized_fires, authorized_schedules
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.authorized_schedules import PREVIEWED

router = APIRouter(prefix="/schedules", tags=["schedules"])
READS, CHANGES = needs(Permission.TASK_READ), needs(Permission.TASK_OPERATE)
Name = Annotated[str, Path(description="The name of the schedule", examples=["nightly"])]
Count = Annotated[int, Query(ge=1, le=100, description="How many")]


@router.get("", summary="List schedules", dependencies=[READS])
async def find_schedules(services: ServicesDep, actor: ActorDep) -> list[ScheduleInfo]:
    """Returns the schedules by name."""
    return [_shown(one) for one in await read(services, authorized_schedules.list_schedules, actor)]


@router.post("", status_code=201, summary="Create a schedule", dependencies=[CHANGES])
async def create_schedule(given: NewSchedule, services: ServicesDep, actor: ActorDep) -> ScheduleInfo:
    """Creates a schedule that fires from now on; its maker must be permitted to submit its tasks."""
    fields = given.model_dump(exclude={"name"})
    await read(services, authorized_schedules.create, acting_for(services, actor), given.name, **fields)
    return _shown(await read(services, _known, actor, given.name))


@router.post("/preview", summary="Preview fire times", dependencies=[READS])
async def preview(given: ScheduleRule, services: ServicesDep, actor: ActorDep, count: Count = PREVIEWED) -> FireTimes:
    """Returns in words when such a schedule would fire, and its next fire times; nothing is stored."""
    return await read(services, _previewed, given, count)


@router.put("/files/{file}", summary="Apply a file of schedules", dependencies=[CHANGES])
async def apply_file(
    file: Annotated[str, Path(description="The name of the file: whose schedules these are", examples=["nightly"])],
    given: DeclaredSchedules,
    services: ServicesDep,
    actor: ActorDep,
) -> Applied:
    """Makes the schedules of a file those that it declares: adds, changes and removes them; all or nothing."""
    declared = {name: one.model_dump() for name, one in given.schedules.items()}
    owner = f"{OF_A_FILE}{await in_thread(check_schedule_name, file)}"
    acting = acting_for(services, actor)
    done = await read(services, authorized_schedules.apply, acting, owner, declared, is_dry_run=given.is_dry_run)
    return Applied(**done)


@router.get("/{name}", summary="Get a schedule", dependencies=[READS])
async def get_schedule(name: Name, services: ServicesDep, actor: ActorDep) -> ScheduleInfo:
    """Returns a schedule."""
    return _shown(await read(services, _known, actor, name))


@router.patch("/{name}", summary="Change a schedule", dependencies=[CHANGES])
async def change_schedule(name: Name, given: ScheduleChange, services: ServicesDep, actor: ActorDep) -> ChangedSchedule:
    """Changes, pauses or resumes a schedule. One that is declared elsewhere can only be paused and resumed."""
    now, is_changed = await read(services, _change, acting_for(services, actor), name, given)
    return ChangedSchedule(**dict(_shown(now)), is_changed=is_changed)


@router.delete("/{name}", status_code=204, summary="Delete a schedule", dependencies=[CHANGES])
async def delete_schedule(name: Name, services: ServicesDep, actor: ActorDep) -> None:
    """Removes a schedule with the record of its fire times; its tasks stay."""
    await read(services, _known, actor, name)
    await read(services, authorized_schedules.delete, actor, name)


@router.get("/{name}/next", summary="List next fire times", dependencies=[READS])
async def next_fires(name: Name, services: ServicesDep, actor: ActorDep, count: Count = PREVIEWED) -> FireTimes:
    """Returns when a schedule fires next, if it is not paused."""
    return await read(services, _next_fires, actor, name, count)


@router.get("/{name}/fires", summary="List fire times", dependencies=[READS])
async def find_fires(
    name: Name,
    services: ServicesDep,
    actor: ActorDep,
    before: Annotated[GivenTime | None, Query(description="Only those before this time, to read on")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="At most so many")] = 50,
) -> list[FireInfo]:
    """Returns the newest fire times with what became of them."""
    await read(services, _known, actor, name)
    edge = None if before is None else check_moment("before", before)
    found = await read(services, authorized_schedules.fires, actor, name, before=edge, limit=limit)
    return [FireInfo(**one.as_json()) for one in found]


@router.post("/{name}/run", status_code=201, summary="Run a schedule now", dependencies=[CHANGES])
async def run(name: Name, services: ServicesDep, actor: ActorDep) -> RanNow:
    """Submits its task or workflow now, beside its fire times and whatever runs."""
    await read(services, _known, actor, name)
    acting = acting_for(services, actor)
    ran = await read(services, authorized_fires.run, acting, name)
    await in_thread(ran.wake, acting)
    return RanNow(id=ran.id, kind=ran.kind.value)


@router.post("/{name}/backfill", summary="Make up for fire times", dependencies=[CHANGES])
async def backfill(name: Name, given: Span, services: ServicesDep, actor: ActorDep) -> Backfilled:
    """Submits for each fire time of a span that has submitted nothing, at most 1,000; or only counts them.

    The leader submits workflows one after another; their ids are known before.
    """
    await read(services, _known, actor, name)
    acting = acting_for(services, actor)
    since, until = check_moment("since", given.since), check_moment("until", given.until)
    counted = await read(services, authorized_fires.count_backfill, actor, name, since, until)
    if given.is_counted_only:
        return Backfilled(count=len(counted.to_submit), submitted_before=counted.submitted_before, ids=[])
    made = await read(services, authorized_fires.backfill, acting, name, since, until)
    await in_thread(made.wake, acting)
    return Backfilled(count=len(made.ids), submitted_before=counted.submitted_before, ids=list(made.ids))


def _shown(known: Schedule) -> ScheduleInfo:
    return ScheduleInfo(**known.as_json())


def _known(tx: Transaction, actor: Actor, name: str) -> Schedule:
    """Returns the schedule of a name; raises Refused (404)."""
    known = store.find(tx, name)
    if known is None or not authorized_schedules.sees(actor, known):
        raise missing(msg("no schedule is called {name}", name=name))
    return authorized_schedules.find(tx, actor, name)


def _change(tx: Transaction, acting: Authorized, name: str, given: ScheduleChange) -> tuple[Schedule, bool]:
    _known(tx, acting.actor, name)
    fields: dict[str, Any] = given.model_dump(exclude_unset=True, exclude={"is_enabled", "reason"})
    is_changed = bool(fields) and authorized_schedules.change(tx, acting, name, **fields)
    if given.is_enabled is not None:
        is_changed |= authorized_schedules.switch(
            tx, acting.actor, name, is_enabled=given.is_enabled, reason=given.reason
        )
    return _known(tx, acting.actor, name), is_changed


def _previewed(tx: Transaction, given: ScheduleRule, count: int) -> FireTimes:
    fields, now = check_schedule(**given.model_dump()), store.now(tx)
    when = str(in_words(fields.timing(now)))
    return FireTimes(when=when, fire_times=authorized_schedules.preview(fields, now, count))


def _next_fires(tx: Transaction, actor: Actor, name: str, count: int) -> FireTimes:
    timing = _known(tx, actor, name).timing
    return FireTimes(when=str(in_words(timing)), fire_times=list(islice(timing.after(store.now(tx)), count)))
