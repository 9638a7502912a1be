"""Shows error groups and the tasks that are failed with them, and mutes groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.masking import masked_task
from taskyard.api.models.common import RANGE_TEXT, Changed, range_seconds
from taskyard.api.models.failures import GroupDetails, GroupInfo, Groups, ListedGroup, Muted, NewMute
from taskyard.api.models.tasks import TaskPage, TaskSummary
from taskyard.api.reading import ServicesDep, read
from taskyard.api.seeing import missing
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import ErrorClass, SubmissionError
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.i18n import msg
from taskyard.core.models import Task
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import search, tasks
from taskyard.core.postgres.store.cursors import Cursor
from taskyard.core.submission import authorized_alerts
from taskyard.core.views.failures import (
    FINGERPRINT,
    MAX_GROUPS,
    MAX_LATEST,
    Choice,
    chosen_of,
    failed_with,
    failure_groups,
    group_details,
    one_group,
    shown_groups,
)
from taskyard.core.views.masking import reads_payloads
from taskyard.core.views.narrowing import limited, seen_groups
from taskyard.core.views.seeing import sees_all_queues

MAX_SHOWN = 100
router = APIRouter(prefix="/failures", tags=["failures"])
Fingerprint = Annotated[
    str, Path(description="The group's fingerprint", pattern=f"^{FINGERPRINT.pattern}$", examples=["00aa11bb22cc33dd"])
]


@router.get("", summary="List error groups", dependencies=[needs(Permission.TASK_READ)])
async def find(
    services: ServicesDep,
    actor: ActorDep,
    range: Annotated[str, Query(description=RANGE_TEXT)] = "24h",
    type: Annotated[str | None, Query(description="Only of this task type")] = None,
    error_class: Annotated[ErrorClass | None, Query(alias="class", description="Only of this error class")] = None,
    text: Annotated[str, Query(max_length=200, description="A part of the message or type, or the fingerprint")] = "",
    sort: Annotated[Literal["count", "last", "first"], Query(description="Most frequent, or latest, first")] = "count",
    muted: Annotated[bool, Query(description="Include muted groups")] = False,
    limit: Annotated[int, Query(ge=1, le=MAX_SHOWN)] = MAX_SHOWN,
) -> Groups:
    """Returns the failures of a range that match, grouped by their probable cause, as the page Failures does."""
    choice = Choice(type, error_class and error_class.value, text, muted, sort)
    return await read(services, _groups, actor, choice, range_seconds(range), limit)


@router.get("/{fingerprint}", summary="Get an error group", dependencies=[needs(Permission.TASK_READ)])
async def get(
    fingerprint: Fingerprint,
    services: ServicesDep,
    actor: ActorDep,
    range: Annotated[str, Query(description=RANGE_TEXT)] = "24h",
) -> GroupDetails:
    """Returns a group with its figures in a range until now and its newest tasks."""
    return await read(services, _group, actor, fingerprint, range_seconds(range))


@router.get(
    "/{fingerprint}/tasks", summary="List tasks that are failed still", dependencies=[needs(Permission.TASK_READ)]
)
async def find_tasks(
    fingerprint: Fingerprint,
    services: ServicesDep,
    actor: ActorDep,
    after: Annotated[str | None, Query(description="`next` or `previous` of an earlier page")] = None,
    limit: Annotated[int, Query(ge=1, le=search.MAX_PAGE_SIZE)] = 50,
) -> TaskPage:
    """Returns the tasks that are failed with this fingerprint now, newest first, a page at a time."""
    place = None if after is None else Cursor.parse(after)
    found = await read(services, _failed, actor, failed_with(fingerprint), place, limit)
    if found is None:
        return TaskPage(tasks=[], next=None, previous=None, searched_to=None)
    return TaskPage(
        tasks=[masked_task(TaskSummary.of(task), actor) for task in found.tasks],
        next=None if found.next is None else str(found.next),
        previous=None if found.previous is None else str(found.previous),
        searched_to=found.searched_to,
    )


@router.put("/{fingerprint}/mute", summary="Mute an error group", dependencies=[needs(Permission.ALERT_HANDLE)])
async def mute(fingerprint: Fingerprint, given: NewMute, services: ServicesDep, actor: ActorDep) -> Muted:
    """Hides a group from lists for a while; its failures are counted, retried and alerted on as before."""
    try:
        until = await read(services, authorized_alerts.mute, actor, fingerprint, given.seconds, given.reason)
    except SubmissionError as error:
        if error.field == "fingerprint":
            raise missing(msg("no error group has the fingerprint {name}", name=fingerprint)) from None
        raise
    return Muted(until=until)


@router.delete("/{fingerprint}/mute", summary="Unmute an error group", dependencies=[needs(Permission.ALERT_HANDLE)])
async def unmute(fingerprint: Fingerprint, services: ServicesDep, actor: ActorDep) -> Changed:
    """Shows a group in lists again."""
    return Changed(is_changed=await read(services, authorized_alerts.unmute, actor, fingerprint))


def _groups(tx: Transaction, actor: Actor, choice: Choice, seconds: int, limit: int) -> Groups:
    is_masked, has_counts = not reads_payloads(actor), sees_all_queues(actor)
    read_ = failure_groups(tx, tasks.now(tx).timestamp(), seconds)
    matching, muted = chosen_of(seen_groups(tx, actor, read_), choice)
    chosen = matching[:limit]
    shown = shown_groups(chosen, *group_details(tx, seconds, [group.fingerprint for group in chosen]))
    return Groups(
        groups=[
            ListedGroup(
                **dict(GroupInfo.of(one.group, has_counts=has_counts, is_masked=is_masked)),
                failed_now=one.failed_now if has_counts else None,
                trend=list(one.trend) if has_counts else None,
                is_new=one.is_new,
            )
            for one in shown
        ],
        matching=len(matching),
        muted=muted,
        is_cut=len(read_) == MAX_GROUPS,
    )


def _group(tx: Transaction, actor: Actor, fingerprint: str, seconds: int) -> GroupDetails:
    is_masked, has_counts = not reads_payloads(actor), sees_all_queues(actor)
    found = one_group(tx, fingerprint, seconds)
    groups = list(seen_groups(tx, actor, [found.group] if found.group else []))
    if not groups:
        raise missing(msg("no failure with the fingerprint {name} in this time range", name=fingerprint))
    only = limited(tx, TaskFilter(fingerprint=fingerprint), actor)
    latest: Sequence[Task] = found.latest
    if actor.is_narrowed:
        latest = () if only is None else search.find(tx, only, limit=MAX_LATEST).tasks
    return GroupDetails(
        group=GroupInfo.of(groups[0], has_counts=has_counts, is_masked=is_masked),
        failed_now=found.failed_now if has_counts else None,
        at=list(found.at) if has_counts else None,
        counts=list(found.counts) if has_counts else None,
        latest=[masked_task(TaskSummary.of(task), actor) for task in latest],
    )


def _failed(tx: Transaction, actor: Actor, only: TaskFilter, place: Cursor | None, limit: int) -> search.Found | None:
    seen = limited(tx, only, actor)
    return None if seen is None else search.find(tx, seen, after=place, limit=limit)
