"""Renders a report as an Excel workbook: a sheet for each table, and native charts of their cells."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from taskyard.core.csv_injection import neutral
from taskyard.core.i18n import N_
from taskyard.core.reports.data.report import Report
from taskyard.core.reports.render import notes
from taskyard.core.reports.render.attention import MOVERS
from taskyard.core.reports.render.charts import Chart, charts
from taskyard.core.reports.render.scales import floor_of
from taskyard.core.reports.render.summary import summary
from taskyard.core.reports.render.table import Column, Table
from taskyard.core.reports.render.tables import tables
from taskyard.core.reports.render.wording import ValueKind, Wording

MAX_SHEET_NAME_LENGTH = 31
MAX_CELL_LENGTH = 32_767  # characters, Excel's
TEXT_WIDTHS = {"message": 70, "value": 110, "what": 32, "type": 26, "agent": 22, "error_class": 18, "fingerprint": 20}
NUMBER_FORMATS = {
    ValueKind.TEXT: "@",
    ValueKind.NUMBER: "#,##0.##",
    ValueKind.SECONDS: "#,##0.000",
    ValueKind.SHARE: "0.00%",
    ValueKind.CHANGE: "+0.0%;-0.0%;0.0%",
    ValueKind.POINTS: "+0.00%;-0.00%;0.00%",
    ValueKind.MOMENT: "yyyy-mm-dd hh:mm",
}
WHOLE = "#,##0"
SUMMARY = ("targets", *MOVERS, "totals", "service_level", "durations", "capacity")  # tables of the first sheet
CHART_COLUMNS, CHART_ROWS = 9, 17  # cells that a chart's place takes
CHART_SIZE = {"width": 560, "height": 320}


def render(report: Report, words: Wording) -> bytes:
    """Returns the workbook. Texts are written as texts; those that look like a formula also get an apostrophe."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(
        file,
        {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False},
    )
    book.set_properties({"title": f"{notes.title(report, words)}, {notes.range_line(report, words)}"})
    _Writer(book, report, words).write()
    book.close()
    return file.getvalue()


class _Writer:
    def __init__(self, book: Workbook, report: Report, words: Wording) -> None:
        self._book = book
        self._report = report
        self._words = words
        self._formats: dict[str, Format] = {}
        self._sheets: dict[str, tuple[str, int]] = {}  # by table: its sheet's name, the row of its headings
        self._taken: set[str] = set()

    def write(self) -> None:
        by_name = {table.name: table for table in tables(self._report, self._words)}
        summary = self._sheet(self._words(N_("Summary")))
        pictures = self._sheet(self._words(N_("Charts")))
        self._summary(summary, by_name)
        for table in by_name.values():
            if table.name not in SUMMARY:
                sheet = self._sheet(table.title)
                self._table(sheet, table, 0)
                self._set_widths(sheet, table)
                sheet.freeze_panes(1, 0 if table.columns[0].name in ("what", "at") else 1)
                self._set_print(sheet)
        self._charts(pictures, by_name)

    def _summary(self, sheet: Worksheet, by_name: Mapping[str, Table]) -> None:
        title = self._book.add_format({"bold": True, "font_size": 16})
        sheet.write_string(0, 0, neutral(notes.title(self._report, self._words)), title)
        lines = [notes.scope_line(self._report, self._words), notes.range_line(self._report, self._words)]
        lines += summary(self._report, self._words)
        if self._report.is_empty:
            lines.append(notes.empty_line(self._words))
        for row, line in enumerate(lines, 1):
            sheet.write_string(row, 0, neutral(line))
        row = len(lines) + 2
        heading = self._book.add_format({"bold": True, "font_size": 12})
        for name in SUMMARY:
            sheet.write_string(row, 0, by_name[name].title, heading)
            self._table(sheet, by_name[name], row + 1)
            row += max(1, len(by_name[name].rows)) + 4
        sheet.set_column(0, 0, 34)
        sheet.set_column(1, 12, 18)
        sheet.hide_gridlines(2)
        self._set_print(sheet)

    def _sheet(self, title: str) -> Worksheet:
        """Adds a sheet with a name that Excel accepts."""
        plain = re.sub(r"[\[\]:*?/\\]", " ", title).strip("' ")[:MAX_SHEET_NAME_LENGTH] or "Sheet"
        name, number = plain, 1
        while name.lower() in self._taken:
            number += 1
            name = f"{plain[: MAX_SHEET_NAME_LENGTH - 4]} {number}"
        self._taken.add(name.lower())
        return self._book.add_worksheet(name)

    def _table(self, sheet: Worksheet, table: Table, top: int) -> None:
        self._sheets[table.name] = (sheet.get_name(), top)
        if not table.rows:
            sheet.write_row(top, 0, [column.heading for column in table.columns], self._format(bold=True))
            sheet.write_string(top + 1, 0, self._words(N_("No data in this period")))
            return
        for number, column in enumerate(table.columns):
            for row, values in enumerate(table.rows, top + 1):
                self._cell(sheet, row, number, column, values[number])
        sheet.add_table(
            top,
            0,
            top + len(table.rows),
            len(table.columns) - 1,
            {
                "name": f"report_{table.name}",
                "style": "Table Style Medium 2",
                "columns": [{"header": heading} for heading in _unique(table.columns)],
                "autofilter": table.name not in SUMMARY,
            },
        )

    def _cell(self, sheet: Worksheet, row: int, number: int, column: Column, value: Any) -> None:
        if value is None:
            return
        if column.kind is ValueKind.MOMENT:
            # Excel knows no time zones: the cell has the report's local time
            local = value.astimezone(self._words.zone).replace(tzinfo=None)
            sheet.write_datetime(row, number, local, self._format(NUMBER_FORMATS[column.kind]))
        elif column.kind is ValueKind.TEXT:
            sheet.write_string(row, number, str(neutral(value))[:MAX_CELL_LENGTH], self._format("@", wraps=True))
        else:
            shown = WHOLE if isinstance(value, int) else NUMBER_FORMATS[column.kind]
            sheet.write_number(row, number, value, self._format(shown))

    def _format(self, number_format: str = "General", *, bold: bool = False, wraps: bool = False) -> Format:
        key = f"{number_format}{bold}{wraps}"
        if key not in self._formats:
            self._formats[key] = self._book.add_format(
                {"num_format": number_format, "bold": bold, "text_wrap": wraps, "valign": "top"}
            )
        return self._formats[key]

    def _set_widths(self, sheet: Worksheet, table: Table) -> None:
        for number, column in enumerate(table.columns):
            wide = max(11, min(20, len(column.heading) + 4))
            sheet.set_column(
                number, number, TEXT_WIDTHS.get(column.name, 17 if column.kind is ValueKind.MOMENT else wide)
            )

    def _set_print(self, sheet: Worksheet) -> None:
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.set_footer("&L&A&R&P / &N")

    def _charts(self, sheet: Worksheet, by_name: Mapping[str, Table]) -> None:
        sheet.hide_gridlines(2)
        self._set_print(sheet)
        found = charts(self._report, by_name, self._words)
        if not found:
            sheet.write_string(0, 0, notes.empty_line(self._words))
        for number, chart in enumerate(found):
            drawn = self._chart(chart, by_name[chart.table])
            sheet.insert_chart(number // 2 * CHART_ROWS, number % 2 * CHART_COLUMNS, drawn)

    def _chart(self, chart: Chart, table: Table) -> Any:
        kinds = {
            "lines": {"type": "line"},
            "stacks": {"type": "column", "subtype": "stacked"},
            "bars": {"type": "bar", "subtype": "stacked"},
        }
        drawn = self._book.add_chart(kinds[chart.kind])
        for series in chart.series:
            position = table.position(series.column)
            fill = {"color": series.color}
            drawn.add_series(
                {
                    "name": [*self._sheets[table.name], position],
                    "categories": self._cells(chart, table, 0),
                    "values": self._cells(chart, table, position),
                    "line": {**fill, "width": 1.75} if chart.kind == "lines" else {"none": True},
                    "fill": fill,
                    "gap": 40,
                }
            )
        kind = table.columns[table.position(chart.series[0].column)].kind
        shown = [value for series in chart.series for value in table.column(series.column)]
        axis = {
            "num_format": {ValueKind.SHARE: "0.#%", ValueKind.SECONDS: '0.### "s"'}.get(kind, WHOLE),
            "major_gridlines": {"visible": True, "line": {"color": "#e2e8f0"}},
            "min": floor_of(shown) if chart.is_near_all else 0,
        }
        if chart.kind == "bars":
            drawn.set_x_axis(axis)
            drawn.set_y_axis({"reverse": True})
        else:
            drawn.set_x_axis({"num_format": "mm-dd hh:mm", "date_axis": False, "interval_unit": _interval(table)})
            drawn.set_y_axis(axis)
        drawn.set_title({"name": chart.title, "name_font": {"size": 12}, "overlay": False})
        drawn.set_legend({"position": "bottom"} if len(chart.series) > 1 else {"none": True})
        drawn.show_blanks_as("gap")
        drawn.set_size(CHART_SIZE)
        return drawn

    def _cells(self, chart: Chart, table: Table, column: int) -> Any:
        """Returns the cells of a column that a chart shows: a range, or a formula of single cells."""
        sheet, top = self._sheets[table.name]
        if chart.rows is None:
            return [sheet, top + 1, column, top + len(table.rows), column]
        quoted = sheet.replace("'", "''")
        letter = xlsxwriter.utility.xl_col_to_name(column)
        cells = ",".join(f"'{quoted}'!${letter}${top + 2 + row}" for row in chart.rows)
        return f"=({cells})"


def _interval(table: Table) -> int:
    """Returns the number of steps between the labels of the time axis."""
    return max(1, len(table.rows) // 8)


def _unique(columns: tuple[Column, ...]) -> list[str]:
    """Returns the headings, numbered where a translation has duplicates, which Excel refuses."""
    found: list[str] = []
    for column in columns:
        heading, number = column.heading, 1
        while heading.lower() in (other.lower() for other in found):
            number += 1
            heading = f"{column.heading} {number}"
        found.append(heading)
    return found
