"""Writes the report of every day and every week (UTC) into a folder, soon after they are over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import structlog

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import rollups
from taskyard.core.postgres.store.rollups import MINUTE
from taskyard.core.reports import Report, gather, render
from taskyard.core.reports.folder import PERIODS, missing, name_of, remove_older, write_report
from taskyard.core.views.report_terms import report_terms
from taskyard.worker.maintenance.steady_time import SteadyTime

AFTER_MIDNIGHT = timedelta(minutes=5)  # the last roll-up of the day is done by then

log = structlog.get_logger(__name__)


class Reporting:
    """The duty: `write_due` may run at any time; existing reports are not written again."""

    def __init__(
        self, settings: Settings, database: Database, clock: Clock | None = None, steady: SteadyTime | None = None
    ) -> None:
        self._folder = settings.reports_folder
        self._periods = settings.reports
        self._formats = settings.report_formats
        self._days = settings.retention_reports_days
        self._terms = report_terms(settings)
        self._database = database
        self._clock = clock or Clock()
        self._steady = steady or SteadyTime(self._clock)
        self._trouble = ""

    def write_due(self, may_go_on: Callable[[], bool]) -> list[str]:
        """Writes yesterday's and last week's missing reports in each format; returns the names.

        After a time without a worker it thus adds the latest of each. A failure is logged once and retried the next
        time.
        """
        written = []
        try:
            for period, first in self._due():
                formats = [format for *_, format in missing(self._folder, [(period, first)], self._formats)]
                if formats and may_go_on() and self._is_counted(period, first):
                    written += self._write(period, first, formats, may_go_on)
            if self._days:
                days = self._days + self._steady.extra_days(self._database)
                remove_older(self._folder, self._clock.now() - timedelta(days=days))
        except (Unavailable, OSError) as error:
            if self._trouble != str(error):
                self._trouble = str(error)
                log.warning("reports.waiting", reason=str(error))
        else:
            self._trouble = ""
        return written

    def _due(self) -> list[tuple[str, date]]:
        """Returns (period, its first day) of the last ones that are over."""
        today = (self._clock.now().astimezone(UTC) - AFTER_MIDNIGHT).date()
        firsts = {"daily": today - timedelta(days=1), "weekly": today - timedelta(days=today.weekday() + 7)}
        return [(period, firsts[period]) for period in PERIODS if period in self._periods]

    def _is_counted(self, period: str, first: date) -> bool:
        """Returns True if the roll-ups have reached its end; they may be behind after a time without a worker."""
        with self._database.transaction() as tx:
            reached = rollups.levels(tx).get(MINUTE, 0.0)
        return reached >= (_midnight(first) + PERIODS[period]).timestamp()

    def _write(self, period: str, first: date, formats: list[str], may_go_on: Callable[[], bool]) -> list[str]:
        report = self._report(period, first)
        written = []
        for format in formats:
            if not may_go_on():
                break
            name = name_of(period, first, format)
            write_report(self._folder, name, render(report, format))
            log.info("reports.written", name=name, folder=str(self._folder))
            written.append(name)
        return written

    def _report(self, period: str, first: date) -> Report:
        since = _midnight(first)
        with self._database.transaction() as tx:
            return gather(tx, since.timestamp(), (since + PERIODS[period]).timestamp(), terms=self._terms)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
