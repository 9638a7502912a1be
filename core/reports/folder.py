"""Manages the folder of reports that the worker writes every day and every week."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.reports import FORMATS

PERIODS = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
_NAME = re.compile(r"taskyard-(daily|weekly)-(\d{4}-\d{2}-\d{2})\.(\w{1,8})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A report file: its `period` ("daily" or "weekly"), range, format, and time of writing."""

    name: str
    period: str
    since: datetime
    until: datetime
    format: str
    size_bytes: int
    written_at: datetime


def name_of(period: str, first_day: date, format: str) -> str:
    """Returns the file name for the day or week (UTC) that begins with `first_day`."""
    return f"taskyard-{period}-{first_day.isoformat()}.{FORMATS[format].extension}"


def list_reports(folder: Path) -> list[ReportFile]:
    """Returns the reports in a folder, latest period first; ignores other files and a missing folder."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return []
    found = [report for entry in entries if (report := _described(entry)) is not None]
    return sorted(found, key=lambda report: (report.until, report.period, report.name), reverse=True)


def read_report(folder: Path, name: str) -> bytes:
    """Returns the content of a report named by `list_reports`; raises SubmissionError for any other name."""
    if _NAME.fullmatch(name) is not None:
        with suppress(OSError), open(folder / name, "rb", opener=_no_link) as file:
            return file.read()
    raise refused("name", name, msg("that of a report in the folder"))


def write_report(folder: Path, name: str, content: bytes) -> None:
    """Writes a file atomically, and creates the folder. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".unfinished-{uuid.uuid4().hex}"
    try:
        with unfinished.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, folder / name)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def remove_older(folder: Path, before: datetime) -> list[str]:
    """Deletes reports of periods that ended before a time; returns their names."""
    names = [report.name for report in list_reports(folder) if report.until < before]
    for name in names:
        (folder / name).unlink(missing_ok=True)
    return names


def missing(folder: Path, periods: Iterable[tuple[str, date]], formats: Iterable[str]) -> list[tuple[str, date, str]]:
    """Returns (period, first day, format) of missing reports."""
    wanted = [(period, first, format) for period, first in periods for format in formats]
    return [one for one in wanted if not (folder / name_of(*one)).exists()]


def _no_link(path: str, flags: int) -> int:
    """Opens a file, but not through a link, which could lead out of the folder."""
    return os.open(path, flags | os.O_NOFOLLOW)


def _described(entry: os.DirEntry[str]) -> ReportFile | None:
    matched = _NAME.fullmatch(entry.name)
    if matched is None or not entry.is_file(follow_symlinks=False):
        return None
    format = next((name for name, kind in FORMATS.items() if kind.extension == matched[3]), None)
    try:
        since = datetime.fromisoformat(matched[2]).replace(tzinfo=UTC)
        status = entry.stat(follow_symlinks=False)
    except (ValueError, FileNotFoundError):
        return None
    if format is None:
        return None
    until = since + PERIODS[matched[1]]
    return ReportFile(
        entry.name, matched[1], since, until, format, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)
    )
