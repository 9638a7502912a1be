"""Gives the terms of reports: the installation's name and targets, for a reader's time zone."""

from __future__ import annotations

from datetime import UTC, tzinfo

from taskyard.core.config import Settings
from taskyard.core.reports.data.terms import Targets, Terms
from taskyard.core.views.alerts import kinds_of


def report_terms(settings: Settings, zone: tzinfo = UTC) -> Terms:
    """Returns the terms that the settings say, for days of a zone."""
    targets = Targets(
        success=settings.target_success_percent / 100,
        start=settings.target_start_percent / 100,
        start_seconds=settings.target_start_seconds,
    )
    return Terms(zone, settings.installation_name, targets, kinds_of(settings))
