"""Makes performance reports of any range and format, and gives those that the worker wrote."""

from __future__ import annotations

import threading
from datetime import tzinfo
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.document import answering
from taskyard.api.models.reports import ReportFileInfo
from taskyard.api.reading import ServicesDep, in_thread, read
from taskyard.api.seeing import missing
from taskyard.api.services import Services
from taskyard.api.streams import attachment
from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.errors import Busy, Unavailable
from taskyard.core.i18n import msg
from taskyard.core.postgres.store import tasks
from taskyard.core.reports import FORMATS, Report, file_name, gather, render
from taskyard.core.reports.folder import ReportFile, list_reports, read_report
from taskyard.core.reports.period import moment, zone_named
from taskyard.core.translation import catalogue, preferred_language
from taskyard.core.views.masking import masked_report
from taskyard.core.views.report_terms import report_terms

MAX_AT_ONCE = 2  # of a process: each keeps a core busy for seconds
PATIENCE_SECONDS = 5.0
IS_EMPTY = "x-taskyard-empty"  # the header that says whether nothing happened in a report's time
_making = threading.BoundedSemaphore(MAX_AT_ONCE)
router = APIRouter(prefix="/reports", tags=["reports"])
FormatName = Literal["pdf", "html", "xlsx", "csv", "json"]
_FILES = {kind.media_type: "" for kind in FORMATS.values()}
BY_EXTENSION = {kind.extension: kind for kind in FORMATS.values()}


@router.get(
    "",
    summary="Make a report",
    dependencies=[needs(Permission.TASK_READ)],
    response_class=Response,
    responses=answering(_FILES, "The report as a file"),
)
async def make(
    services: ServicesDep,
    actor: ActorDep,
    request: Request,
    since: Annotated[str, Query(description="The beginning: an ISO 8601 time or date, or an age such as 7d")] = "24h",
    until: Annotated[str, Query(description="The end, likewise; now if there is none")] = "",
    queue: Annotated[str | None, Query(description="Only tasks of this queue")] = None,
    type: Annotated[str | None, Query(description="Only tasks of this type")] = None,
    format: Annotated[FormatName, Query(description="The file format; csv is a zip of tables")] = "pdf",
    zone: Annotated[str, Query(description="The time zone of its times and days", examples=["Europe/Berlin"])] = "UTC",
) -> Response:
    """Returns the performance report of a range, compared with the one before, in the language of the request.

    A role that is narrowed to queues or task types gets reports of one of its queues or types.
    """
    actor.require(Permission.TASK_READ, queue=queue or EVERY, type_=type or EVERY)
    known_zone = zone_named(zone)
    now = await read(services, tasks.now)
    begin, end = moment("since", since, now), moment("until", until, now) if until else now
    terms = await in_thread(report_terms, services.settings, known_zone)
    made = await read(services, gather, begin.timestamp(), end.timestamp(), queue, type, terms)
    report = masked_report(made, actor)
    content = await in_thread(partial(_rendered, request, report, format, known_zone))
    headers = {**attachment(file_name(report, format)), IS_EMPTY: "true" if report.is_empty else "false"}
    return Response(content, media_type=FORMATS[format].media_type, headers=headers)


@router.get("/files", summary="List the worker's reports", dependencies=[needs(Permission.PAYLOAD_READ)])
async def find_files(services: ServicesDep, actor: ActorDep) -> list[ReportFileInfo]:
    """Returns the reports of days and weeks in the worker's folder, latest first, if this API can read it."""
    _check_written(actor)
    return [ReportFileInfo.model_validate(file) for file in await in_thread(_files, services)]


@router.get(
    "/files/{name}",
    summary="Get a report of the worker",
    dependencies=[needs(Permission.PAYLOAD_READ)],
    response_class=Response,
    responses=answering(_FILES, "The report as it was written"),
)
async def get_file(
    name: Annotated[str, Path(description="Its name, as it is listed", examples=["taskyard-daily-2026-01-05.pdf"])],
    services: ServicesDep,
    actor: ActorDep,
) -> Response:
    """Returns a report that the worker wrote."""
    _check_written(actor)
    if name not in {file.name for file in await in_thread(_files, services)}:
        raise missing(msg("no report is called {name}", name=name))
    content = await in_thread(read_report, services.settings.reports_folder, name)
    kind = BY_EXTENSION[name.rpartition(".")[2]]
    return Response(content, media_type=kind.media_type, headers=attachment(name))


def _check_written(actor: Actor) -> None:
    """Raises NotPermitted: the worker's reports have all queues and types, and errors with their messages."""
    actor.require(Permission.PAYLOAD_READ, queue=EVERY, type_=EVERY)


def _files(services: Services) -> list[ReportFile]:
    try:
        return list_reports(services.settings.reports_folder)
    except OSError as error:
        raise Unavailable(msg("the worker's reports can't be read: {reason}", reason=str(error.strerror))) from error


def _rendered(request: Request, report: Report, format: str, zone: tzinfo) -> bytes:
    language = preferred_language(request.headers.get("accept-language", ""))
    translate = catalogue(language).gettext
    if not _making.acquire(timeout=PATIENCE_SECONDS):
        raise Busy(msg("{count} reports are being made: try again", count=MAX_AT_ONCE))
    try:
        return render(report, format, lambda text: translate(text) if text else text, zone, language)
    finally:
        _making.release()
