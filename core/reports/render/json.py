"""Renders a report as JSON: the data itself, with English names in every language."""

from __future__ import annotations

from taskyard.core.reports.data.report import Report
from taskyard.core.reports.render.wording import Wording


def render(report: Report, words: Wording) -> bytes:
    """Returns the document."""
    return report.as_json()
