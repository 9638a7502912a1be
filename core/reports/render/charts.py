"""Defines a report's charts: each shows columns of one of its tables, so that every format draws the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from taskyard.core.i18n import N_
from taskyard.core.reports.data.report import Report, most_failing, slowest
from taskyard.core.reports.render.table import Table
from taskyard.core.reports.render.wording import Wording

BARS = 10  # of a bar chart at most

BLUE, GREEN, RED, ORANGE, VIOLET, GRAY = "#2563eb", "#15803d", "#dc2626", "#ea7a0c", "#7c3aed", "#64748b"


@dataclass(frozen=True, slots=True)
class Series:
    """One column of the chart's table in a colour."""

    column: str
    color: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines, columns or bars over the first column of a table; `rows` selects some of its rows, in order."""

    name: str
    title: str
    kind: Literal["lines", "stacks", "bars"]
    table: str
    series: tuple[Series, ...]
    rows: tuple[int, ...] | None = None
    is_near_all: bool = False  # shares that are mostly close to 1: the axis need not begin at 0

    def row_numbers(self, table: Table) -> tuple[int, ...]:
        return tuple(range(len(table.rows))) if self.rows is None else self.rows


def charts(report: Report, by_name: Mapping[str, Table], words: Wording) -> list[Chart]:
    """Returns the charts that have data."""
    if report.is_empty:
        return []
    types = {line.type: number for number, line in enumerate(report.types)}
    slow = tuple(types[line.type] for line in slowest(report.types)[:BARS])
    failing = tuple(types[line.type] for line in most_failing(report.types)[:BARS])
    busy = [(line.utilisation, number) for number, line in enumerate(report.agents) if line.utilisation is not None]
    busiest = tuple(number for _, number in sorted(busy, key=lambda one: (-one[0], one[1]))[:BARS])
    classes = tuple(range(len(report.error_classes[:BARS])))
    wait = (Series("wait_p50", BLUE), Series("wait_p95", ORANGE), Series("wait_p99", RED))
    run = (Series("run_p50", BLUE), Series("run_p95", ORANGE), Series("run_p99", RED))
    rates = (Series("submitted_per_minute", BLUE), Series("completed_per_minute", GREEN))
    ends = (Series("completed", GREEN), Series("failed", RED), Series("cancelled", GRAY))
    found = [
        Chart("ends", words(N_("Finished tasks")), "stacks", "over_time", ends),
        Chart("throughput", words(N_("Tasks per minute")), "lines", "over_time", rates),
        Chart("wait", words(N_("Queue latency")), "lines", "over_time", wait),
        Chart("run", words(N_("Run time")), "lines", "over_time", run),
        Chart(
            "rates",
            words(N_("Success and scheduling")),
            "lines",
            "over_time",
            (Series("success_rate", GREEN), Series("in_time", BLUE)),
            is_near_all=True,
        ),
        Chart("utilisation", words(N_("Utilisation")), "lines", "over_time", (Series("utilisation", VIOLET),)),
        Chart("slowest", words(N_("Slowest types")), "bars", "types", (Series("run_p95", ORANGE),), slow),
        Chart(
            "failing",
            words(N_("Most failing types")),
            "bars",
            "types",
            (Series("failed", RED), Series("retried", ORANGE)),
            failing,
        ),
        Chart("classes", words(N_("Error classes")), "bars", "error_classes", (Series("attempts", RED),), classes),
        Chart("agents", words(N_("Agent utilisation")), "bars", "agents", (Series("utilisation", VIOLET),), busiest),
    ]
    return [chart for chart in found if _shows_something(chart, by_name[chart.table])]


def _shows_something(chart: Chart, table: Table) -> bool:
    columns = [table.column(series.column) for series in chart.series]
    return any(column[row] is not None for column in columns for row in chart.row_numbers(table))
