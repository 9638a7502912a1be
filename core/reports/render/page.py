"""Lays out a report for a page or a sheet of paper: cards, charts, and tables of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from taskyard.core.i18n import N_
from taskyard.core.reports.data.report import Report, change
from taskyard.core.reports.render import notes
from taskyard.core.reports.render.charts import Chart, charts
from taskyard.core.reports.render.scales import floor_of
from taskyard.core.reports.render.summary import summary
from taskyard.core.reports.render.table import Column, Table
from taskyard.core.reports.render.tables import tables
from taskyard.core.reports.render.wording import ValueKind, Wording, one_line

MAX_TEXT_LENGTH, MAX_NAME_LENGTH = (
    300,
    80,
)  # characters of a message and of any other cell; spreadsheets have all of them
NOTABLE, NOTABLE_POINTS = 0.02, 0.001  # smaller changes are noise
Tone = Literal["good", "bad", "flat"]


@dataclass(frozen=True, slots=True)
class Card:
    """A headline figure, and its change."""

    label: str
    value: str
    change: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of texts; `is_text` says which columns are not numbers. No text has a meaning to a format."""

    name: str
    title: str
    headings: tuple[str, ...]
    is_text: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a drawing."""

    name: str
    color: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart with its values: over times (lines, stacks), or over texts (bars).

    `floor` is where the axis of the values begins, `lengths` are the steps' seconds.
    """

    name: str
    title: str
    kind: Literal["lines", "stacks", "bars"]
    value_kind: ValueKind
    floor: float
    labels: tuple[Any, ...]
    lengths: tuple[float, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its content."""

    title: str
    drawings: tuple[Drawing, ...]
    tables: tuple[TextTable, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """The whole report; `empty` has a text if nothing happened. `over_time` is the table of all steps."""

    title: str
    lines: tuple[str, ...]
    summary: tuple[str, ...]
    empty: str
    cards: tuple[Card, ...]
    sections: tuple[Section, ...]
    over_time: TextTable
    notes: tuple[tuple[str, str], ...]


# Columns that do not fit on a page.
_LEFT_OUT_OF_GROUPS = (
    *("timed_out", "cancelled", "wait_p50", "wait_p99", "total_p50", "total_p95", "total_p99"),
    *("completed_before", "success_rate_before"),
)
_LEFT_OUT = {
    "types": _LEFT_OUT_OF_GROUPS,
    "queues": _LEFT_OUT_OF_GROUPS,
    "failures": ("fingerprint", "first_seen", "muted"),
    "over_time": (
        *("seconds", "submitted_per_minute", "completed_per_minute", "timed_out", "wait_p99", "run_p99"),
        *("total_p50", "total_p95", "total_p99"),
    ),
    "agents": ("run_seconds",),
}


def page(report: Report, words: Wording) -> Page:
    """Returns the report as a page."""
    by_name = {table.name: table for table in tables(report, words)}
    drawn = {chart.name: _drawing(chart, by_name[chart.table]) for chart in charts(report, by_name, words)}
    shown = {name: _text_table(table.without(*_LEFT_OUT.get(name, ())), words) for name, table in by_name.items()}

    def section(title: str, drawings: Sequence[str], names: Sequence[str]) -> Section:
        return Section(
            words(title),
            tuple(drawn[name] for name in drawings if name in drawn),
            tuple(shown[name] for name in names if shown[name].rows),
        )

    sections = (
        section(N_("Targets"), (), ("targets",)),
        section(N_("Top movers"), (), ("movers_failures", "movers_run", "movers_wait")),
        section(N_("Alerts and outages"), (), ("alerts", "outages")),
        section(N_("Over time"), ("ends", "throughput", "wait", "run", "rates", "utilisation"), ()),
        section(N_("Figures"), (), ("totals", "service_level", "durations", "capacity")),
        section(N_("Queues"), (), ("queues",)),
        section(N_("Task types"), ("slowest", "failing"), ("types",)),
        section(N_("Agents"), ("agents",), ("agents",)),
        section(N_("Failures"), ("classes",), ("error_classes", "failures")),
    )
    return Page(
        title=notes.title(report, words),
        lines=(notes.scope_line(report, words), notes.range_line(report, words)),
        summary=summary(report, words),
        empty=notes.empty_line(words) if report.is_empty else "",
        cards=_cards(report, words),
        sections=tuple(one for one in sections if one.drawings or one.tables),
        over_time=shown["over_time"],
        notes=tuple((heading, one_line(text, 1_000)) for heading, text in notes.notes(report, words)),
    )


def _text_table(table: Table, words: Wording) -> TextTable:
    def text(value: Any, column: Column) -> str:
        return one_line(
            words.shown(value, column.kind), MAX_TEXT_LENGTH if column.name == "message" else MAX_NAME_LENGTH
        )

    return TextTable(
        name=table.name,
        title=table.title,
        headings=tuple(column.title for column in table.columns),
        is_text=tuple(column.kind is ValueKind.TEXT for column in table.columns),
        rows=tuple(
            tuple(text(value, column) for value, column in zip(row, table.columns, strict=True)) for row in table.rows
        ),
    )


def _drawing(chart: Chart, table: Table) -> Drawing:
    numbers = chart.row_numbers(table)

    def picked(name: str) -> tuple[Any, ...]:
        values = table.column(name)
        return tuple(values[number] for number in numbers)

    labels = picked(table.columns[0].name)
    lines = tuple(
        Line(table.columns[table.position(series.column)].title, series.color, picked(series.column))
        for series in chart.series
    )
    is_bars = chart.kind == "bars"
    return Drawing(
        name=chart.name,
        title=chart.title,
        kind=chart.kind,
        value_kind=table.columns[table.position(chart.series[0].column)].kind,
        floor=floor_of([value for line in lines for value in line.values]) if chart.is_near_all else 0.0,
        labels=tuple(one_line(label, 40) for label in labels) if is_bars else labels,
        lengths=() if is_bars else picked("seconds"),
        lines=lines,
    )


def _cards(report: Report, words: Wording) -> tuple[Card, ...]:
    now, before = report.now, report.before
    growth: Mapping[str, tuple[float | None, float | None, ValueKind, int]] = {
        N_("Completed tasks"): (now.counts.completed, before.counts.completed, ValueKind.NUMBER, 1),
        N_("Throughput (tasks/min)"): (now.completed_per_minute, before.completed_per_minute, ValueKind.NUMBER, 1),
        N_("Success rate"): (now.counts.success_rate, before.counts.success_rate, ValueKind.SHARE, 1),
        N_("Started within 100 ms"): (now.counts.in_time, before.counts.in_time, ValueKind.SHARE, 1),
        N_("Queue latency, p95"): (now.counts.wait.p95, before.counts.wait.p95, ValueKind.SECONDS, -1),
        N_("Running, p95"): (now.counts.run.p95, before.counts.run.p95, ValueKind.SECONDS, -1),
        N_("Availability"): (now.availability, before.availability, ValueKind.SHARE, 1),
        N_("Utilisation"): (now.utilisation, before.utilisation, ValueKind.SHARE, 0),
    }
    return tuple(
        Card(words(label), words.shown(new, kind), *_changed(new, old, kind, better, words))
        for label, (new, old, kind, better) in growth.items()
    )


def _changed(new: float | None, old: float | None, kind: ValueKind, better: int, words: Wording) -> tuple[str, Tone]:
    """Returns a figure's change in words, and whether it is good; `better` is 1 if more is good, -1 if less is."""
    if new is None or old is None:
        return words(N_("no earlier data")), "flat"
    difference = new - old if kind is ValueKind.SHARE else change(new, old)
    if difference is None:
        return words(N_("none before")), "flat"
    if difference == 0:
        return words(N_("unchanged")), "flat"
    shown = words.shown(difference, ValueKind.POINTS if kind is ValueKind.SHARE else ValueKind.CHANGE)
    notable = NOTABLE_POINTS if kind is ValueKind.SHARE else NOTABLE
    if abs(difference) < notable or better == 0:
        return shown, "flat"
    return shown, "good" if difference * better > 0 else "bad"
