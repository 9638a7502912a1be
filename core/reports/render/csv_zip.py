"""Renders a report as CSV: a zip archive with one file for each table."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import datetime
from typing import Any

from taskyard.core.csv_injection import neutral
from taskyard.core.reports.data.report import Report
from taskyard.core.reports.render.table import Table
from taskyard.core.reports.render.tables import tables
from taskyard.core.reports.render.wording import Wording


def render(report: Report, words: Wording) -> bytes:
    """Returns the archive. Files are UTF-8 with a byte order mark, which Excel needs to recognise UTF-8.

    Shares are numbers from 0 to 1, durations seconds, times ISO 8601 with their offset from UTC.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for table in tables(report, words):
            archive.writestr(f"{table.name}.csv", _text(table, words).encode("utf-8-sig"))
    return packed.getvalue()


def _text(table: Table, words: Wording) -> str:
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(neutral(column.heading) for column in table.columns)
    writer.writerows([_cell(value, words) for value in row] for row in table.rows)
    return lines.getvalue()


def _cell(value: Any, words: Wording) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(words.zone).isoformat()
    return neutral(value)
