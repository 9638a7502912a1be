"""A report as JSON: the data itself, in English names, whatever the language."""

from __future__ import annotations

from taskyard.core.reports.data.report import Report
from taskyard.core.reports.render.wording import Wording


def render(report: Report, words: Wording) -> bytes:
    """The document."""
    return report.as_json()
