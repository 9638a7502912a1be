"""A report as JSON: the data itself, in English names, whatever the language."""

from __future__ import annotations

from core.reports.report import Report
from core.reports.wording import Wording


def render(report: Report, words: Wording) -> bytes:
    """The document."""
    return report.as_json()
