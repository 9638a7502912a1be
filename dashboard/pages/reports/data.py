"""Reads performance reports: of a range, and the worker's reports of days and weeks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.config import settings
from taskyard.core.errors import ConfigurationError
from taskyard.core.reports import Report, gather
from taskyard.core.reports.data.gather import LONGEST_SECONDS
from taskyard.core.reports.folder import PERIODS, ReportFile, list_reports, read_report
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views.masking import masked_report
from taskyard.core.views.report_terms import report_terms
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.data.readings import check, seen
from taskyard.dashboard.data.viewer import actor, viewer
from taskyard.dashboard.pages.tasks.data import facets

__all__ = ["LONGEST_SECONDS", "Written", "facets", "file_content", "next_end", "report", "written"]

REPORT_SECONDS = 60.0  # the counts are some seconds old anyway


@dataclass(frozen=True, slots=True)
class Written:
    """Reports in the worker's folder, latest first, and the ends of the current periods, by their names."""

    folder: str  # as this server sees it
    files: Sequence[ReportFile]
    due: Mapping[str, datetime]


@seen(ttl_seconds=REPORT_SECONDS, max_entries=50)
def _report(
    servers: Servers, sight: Actor, since: float, until: float, queue: str | None, type: str | None, zone: tzinfo
) -> Report:
    terms = report_terms(settings(), zone)
    with servers.database.transaction() as tx:
        return masked_report(gather(tx, since, until, queue, type, terms), sight)


def report(since: float, until: float, queue: str | None, type: str | None, zone: tzinfo = UTC) -> Reading[Report]:
    """Returns the report of a range (epoch seconds), of one queue or type or of all, by days of a zone.

    Raises SubmissionError for an invalid range, and NotPermitted for what is not of the viewer's queues and types.
    """
    viewer().require(Permission.TASK_READ, queue=queue or EVERY, type_=type or EVERY)
    return _report(since, until, queue, type, zone)


def written() -> Reading[Written]:
    """Returns the worker's reports, as far as its folder can be read from here; raises NotPermitted.

    They are of all queues and types, and have errors with their messages.
    """
    check(viewer(), Permission.PAYLOAD_READ, is_whole=True)
    now = base.now()
    try:
        current = settings()
        files = list_reports(current.reports_folder)
    except (OSError, ConfigurationError) as error:
        return Reading(None, now, (error.text if isinstance(error, ConfigurationError) else str(error),))
    due = {str(period): next_end(period, now) for period in current.reports}
    return Reading(Written(str(current.reports_folder), files, due), now)


def file_content(name: str) -> bytes:
    """Returns the content of a file; raises SubmissionError if it is gone, NotPermitted and Unavailable."""
    check(actor(), Permission.PAYLOAD_READ, is_whole=True)
    return read_report(settings().reports_folder, name)


def next_end(period: str, now: datetime) -> datetime:
    """Returns when the current day or week (UTC) ends; its report is written soon after."""
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    first = midnight if period == "daily" else midnight - timedelta(days=midnight.weekday())
    return first + PERIODS[period]
