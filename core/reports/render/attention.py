"""Converts what needs attention to tables: targets, what changed most, alerts and outages."""

from __future__ import annotations

from typing import Any

from taskyard.core.alerts.rule_titles import rule_title
from taskyard.core.i18n import N_
from taskyard.core.postgres.store.rollups import MINUTE
from taskyard.core.reports.data.report import Dimension, Measure, Report, change
from taskyard.core.reports.data.targets import TargetLine
from taskyard.core.reports.render.table import Table, columns_of
from taskyard.core.reports.render.wording import ValueKind, Wording

MOVERS: dict[str, tuple[Measure, str, ValueKind]] = {
    "movers_failures": ("failures", N_("Failed attempts"), ValueKind.NUMBER),
    "movers_run": ("run", N_("Run time p95"), ValueKind.SECONDS),
    "movers_wait": ("wait", N_("Queue latency p95"), ValueKind.SECONDS),
}
_DIMENSIONS: dict[Dimension, str] = {"type": N_("Type"), "queue": N_("Queue")}
_SEVERITIES = {"critical": N_("critical"), "warning": N_("warning"), "info": N_("info")}


def targets(report: Report, words: Wording) -> Table:
    """Returns the targets with the use of their error budgets."""
    columns = columns_of(
        words,
        ("what", N_("Target"), ValueKind.TEXT),
        ("target", N_("Aim"), ValueKind.SHARE),
        ("share", N_("Reached"), ValueKind.SHARE),
        ("measured", N_("Measured")),
        ("missed", N_("Missed")),
        ("allowed", N_("Error budget")),
        ("used", N_("Budget used"), ValueKind.SHARE),
        ("used_before", N_("Budget used before"), ValueKind.SHARE),
    )
    rows = tuple(
        (target_name(line, words), *(getattr(line, column.name) for column in columns[1:]))
        for line in report.targets
        if line.measured
    )
    return Table("targets", words(N_("Targets")), columns, rows)


def target_name(line: TargetLine, words: Wording) -> str:
    """Returns what a target is about."""
    if line.limit_seconds is None:
        return words(N_("Tasks that complete"))
    return words(N_("Tasks that start within {limit}"), limit=words.duration(line.limit_seconds))


def movers(report: Report, words: Wording) -> list[Table]:
    """Returns a table for each measure, with the types and queues that changed most."""
    return [_movers(name, report, words) for name in MOVERS]


def _movers(name: str, report: Report, words: Wording) -> Table:
    measure, title, kind = MOVERS[name]
    columns = columns_of(
        words,
        ("name", N_("Type or queue"), ValueKind.TEXT),
        ("dimension", N_("What"), ValueKind.TEXT),
        ("now", N_("This period"), kind),
        ("before", N_("Period before"), kind),
        ("change", N_("Change"), ValueKind.CHANGE),
    )
    rows = tuple(
        (one.name, words(_DIMENSIONS[one.dimension]), one.now, one.before, change(one.now, one.before))
        for one in report.movers[measure]
    )
    return Table(name, words(title), columns, rows)


def alerts(report: Report, words: Wording) -> Table:
    """Returns the alerts of the period."""
    columns = columns_of(
        words,
        ("rule", N_("Alert"), ValueKind.TEXT),
        ("subject", N_("Subject"), ValueKind.TEXT),
        ("severity", N_("Severity"), ValueKind.TEXT),
        ("count", N_("Times fired")),
        ("seconds", N_("Firing for"), ValueKind.SECONDS),
        ("first_at", N_("First fired"), ValueKind.MOMENT),
        ("is_open", N_("At the end"), ValueKind.TEXT),
    )
    rows: tuple[tuple[Any, ...], ...] = tuple(
        (
            words(str(rule_title(line.rule))),
            line.subject,
            words(_SEVERITIES.get(line.severity, line.severity)),
            line.count,
            line.seconds,
            line.first_at,
            words(N_("firing") if line.is_open else N_("resolved")),
        )
        for line in report.alerts
    )
    return Table("alerts", words(N_("Alerts")), columns, rows)


def outages(report: Report, words: Wording) -> Table:
    """Returns the times without a leading worker."""
    columns = columns_of(
        words,
        ("since", N_("From"), ValueKind.MOMENT),
        ("until", N_("To"), ValueKind.MOMENT),
        ("seconds", N_("Without a leading worker"), ValueKind.SECONDS),
    )
    rows = tuple((one.since, one.until, float(one.minutes * MINUTE)) for one in report.outages)
    return Table("outages", words(N_("Outages")), columns, rows)
