"""Makes performance reports: `gather` reads them, `render` writes them as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from importlib import import_module

from taskyard.core.i18n import N_, msg
from taskyard.core.payload.culprits import refused
from taskyard.core.reports.data.gather import gather
from taskyard.core.reports.data.report import Report
from taskyard.core.reports.render.wording import Wording, identity

__all__ = ["FORMATS", "Format", "Report", "Wording", "file_name", "gather", "render"]


@dataclass(frozen=True, slots=True)
class Format:
    """A file format: its label, file ending, media type, and the module that renders it."""

    label: str
    extension: str
    media_type: str
    module: str


FORMATS: Mapping[str, Format] = {
    "pdf": Format(N_("PDF, for printing"), "pdf", "application/pdf", "pdf"),
    "html": Format(N_("Interactive page (HTML)"), "html", "text/html", "html"),
    "xlsx": Format(
        N_("Excel workbook"), "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"
    ),
    "csv": Format(N_("CSV tables (zip)"), "zip", "application/zip", "csv_zip"),
    "json": Format(N_("JSON"), "json", "application/json", "json"),
}


def render(
    report: Report,
    format: str,
    translate: Callable[[str], str] = identity,
    zone: tzinfo = UTC,
    language: str = "en",
) -> bytes:
    """Returns the report as a file of one of FORMATS; raises SubmissionError for another.

    `translate` translates each text of the report into the reader's `language` (a code such as "zh"); times are in
    `zone`.
    """
    if format not in FORMATS:
        raise refused("format", format, msg("one of {names}", names=", ".join(FORMATS)))
    # only what is needed is loaded: typst and XlsxWriter take a while
    module = import_module(f"taskyard.core.reports.render.{FORMATS[format].module}")
    rendered: bytes = module.render(report, Wording(translate, zone, language))
    return rendered


def file_name(report: Report, format: str) -> str:
    """Returns the file name taskyard-report-<from>-<to>, in UTC, to the minute where it matters."""
    times = (report.now.since, report.now.until)
    is_days = all(at.hour == at.minute == 0 for at in times)
    since, until = (f"{at:%Y%m%d}" if is_days else f"{at:%Y%m%dT%H%MZ}" for at in times)
    return f"taskyard-report-{since}-{until}.{FORMATS[format].extension}"
