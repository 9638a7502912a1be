"""Searches and exports the audit log."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.document import answering
from taskyard.api.models.audit import EventInfo, EventsPage
from taskyard.api.reading import ServicesDep, read
from taskyard.api.rights import RightsDep
from taskyard.api.services import Services
from taskyard.api.streams import streamed, written
from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.exported_rows import csv_head, csv_lines, json_lines
from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.filters.audit_page import filter_of
from taskyard.core.postgres.store import audit, tasks
from taskyard.core.postgres.store.audit import AuditEntry, EventCursor
from taskyard.core.views.masking import masked_entry, reads_payloads

NDJSON = "application/x-ndjson"
CSV = "text/csv; charset=utf-8"
_EXAMPLE = '{"at": "2026-01-05T12:00:00+00:00", "event": "paused", "actor": "person:ann"}\n'

router = APIRouter(prefix="/audit", tags=["audit"], dependencies=[needs(Permission.AUDIT_EXPORT)])


async def asked(
    actor: ActorDep,
    show: Annotated[
        Literal["operators", "everything"], Query(description="What users did, or all events")
    ] = "operators",
    time: Annotated[
        Literal["all", "1h", "24h", "7d", "30d", "90d", "between"] | None,
        Query(description="How far back; between: from `since` until `until`, which is meant if one is given"),
    ] = None,
    since: Annotated[str, Query(description="At this time or later: ISO 8601 with a zone, or an age")] = "",
    until: Annotated[str, Query(description="Before this time: ISO 8601 with a zone, or an age")] = "",
    events: Annotated[str, Query(description="Only these kinds, joined by commas", examples=["paused,resumed"])] = "",
    by: Annotated[str, Query(alias="actor", description="Only by this actor", examples=["person:ann"])] = "",
    agent: Annotated[str, Query(description="Only of the agent of this name")] = "",
    task_id: Annotated[str, Query(description="Only of this task")] = "",
    text: Annotated[str, Query(description="A part of the detail's JSON, in any case")] = "",
) -> EventFilter:
    """Returns the filter in the parameters, those of the page Audit.

    Raises SubmissionError, and NotPermitted for a narrowed role: events tell of all queues and types.
    """
    actor.require(Permission.AUDIT_EXPORT, queue=EVERY, type_=EVERY)
    if text:
        actor.require(Permission.PAYLOAD_READ)  # details have errors' messages
    given = {"since": since, "until": until, "events": events, "actor": by, "agent": agent, "task_id": task_id}
    meant = time or ("between" if since or until else "all")
    return filter_of({"show": show, "time": meant, **given, "text": text})


FilterDep = Annotated[EventFilter, Depends(asked)]


@router.get("", summary="Search the audit log")
async def find(
    only: FilterDep,
    services: ServicesDep,
    actor: ActorDep,
    before: Annotated[str | None, Query(description="`next` of a later page")] = None,
    limit: Annotated[int, Query(ge=1, le=audit.MAX_PAGE_SIZE)] = 100,
) -> EventsPage:
    """Returns the newest events that match, a page at a time; the log only grows, so pages stay in place."""
    place = None if before is None else EventCursor.parse(before)
    page = await read(services, audit.find_events, only, before=place, limit=limit)
    return EventsPage(
        events=[_shown(event, actor) for event in page.events],
        next=None if page.next is None else str(page.next),
        searched_to=page.searched_to,
    )


@router.get(
    "/export",
    summary="Export the audit log",
    response_class=StreamingResponse,
    responses=answering({NDJSON: _EXAMPLE, "text/csv": ""}, "Every event that matches, newest first"),
)
async def export(
    only: FilterDep,
    services: ServicesDep,
    actor: ActorDep,
    rights: RightsDep,
    format: Annotated[Literal["jsonl", "csv"], Query(description="JSON, one event a line, or CSV")] = "jsonl",
) -> StreamingResponse:
    """Streams every event that matches, however many there are; cells that look like formulas become text in CSV."""
    now = await read(services, tasks.now)
    name = f"taskyard-audit-{now:%Y%m%d-%H%M%S}.{format}"
    is_csv = format == "csv"

    def pieces() -> Generator[bytes, None, None]:
        rows = _exported(services, only, actor)
        yield from written(rows, csv_lines if is_csv else json_lines, csv_head() if is_csv else b"")

    return await streamed(rights, pieces, CSV if is_csv else NDJSON, name)


def _exported(services: Services, only: EventFilter, actor: Actor) -> Iterator[AuditEntry]:
    with services.database.transaction() as tx:
        for entry in audit.export_events(tx, only):
            yield masked_entry(entry, actor)


def _shown(event: AuditEntry, actor: Actor) -> EventInfo:
    shown = EventInfo.model_validate(masked_entry(event, actor))
    return shown if reads_payloads(actor) else shown.model_copy(update={"is_masked": True})
