"""Draws a report: figures against the period before, charts, tables, and notes."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from taskyard.core.reports import Report, Wording
from taskyard.core.reports.render import charts as core_charts
from taskyard.core.reports.render.page import Card, Drawing, Page, page
from taskyard.core.reports.render.table import Column, Table
from taskyard.core.reports.render.tables import tables
from taskyard.core.reports.render.wording import ValueKind
from taskyard.dashboard.components.charts import Line, bar_spec, draw, in_words, time_spec
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.tables import show_table, table_height, value_column
from taskyard.dashboard.components.times import duration, time_column
from taskyard.dashboard.i18n import _, labelled

CARD_WIDTH_PX = 160
CHART_WIDTH_PX = 420
BAR_PX, AROUND_BARS_PX = 28, 90
TONES = {"good": "green", "bad": "red", "flat": "gray"}
ARROWS = {"+": "up", "-": "down"}
# The report's own colours, by their names in the theme, which knows light from dark.
COLORS = {
    core_charts.BLUE: "blue",
    core_charts.GREEN: "green",
    core_charts.RED: "red",
    core_charts.ORANGE: "orange",
    core_charts.VIOLET: "violet",
    core_charts.GRAY: "gray",
}
MAX_SUMMARY_LENGTH = 2_000  # characters
NARROW_COLUMNS = 5  # of a table that has room beside a chart


def show_report(report: Report, words: Wording, revision: str) -> None:
    """Shows the whole report; `revision` tells ranges apart, so that no chart keeps another one's zoom."""
    shown = page(report, words)
    st.text(" · ".join(shown.lines))
    if report.is_empty:
        show_nothing(shown.empty, "summarize")
    else:
        st.markdown(escaped(" ".join(shown.summary), MAX_SUMMARY_LENGTH))
        _show_cards(shown)
        _show_sections(shown, {table.name: table for table in tables(report, words)}, revision)
    with st.expander(_("How this was measured"), icon=":material/info:"):
        for heading, text in shown.notes:
            st.text(labelled(heading, text))


def _show_cards(shown: Page) -> None:
    with st.grid(4, min_column_width=CARD_WIDTH_PX):
        for card in shown.cards:
            _show_card(card)
    st.caption(_("Changes are relative to the previous period of the same length."))


def _show_card(card: Card) -> None:
    st.metric(
        card.label,
        card.value,
        card.change,
        delta_color=TONES[card.tone],  # type: ignore[arg-type]
        delta_arrow=ARROWS.get(card.change[:1], "off"),  # type: ignore[arg-type]
        border=True,
        height="stretch",
    )


def _show_sections(shown: Page, by_name: dict[str, Table], revision: str) -> None:
    for section in shown.sections:
        st.subheader(escaped(section.title))
        found = [by_name[table.name] for table in section.tables]
        narrow = [table for table in found if len(table.columns) <= NARROW_COLUMNS]
        if section.drawings or narrow:
            with st.grid(2, min_column_width=CHART_WIDTH_PX):
                for drawing in section.drawings:
                    _draw(drawing, f"report_{drawing.name}_{revision}")
                for table in narrow:
                    with st.container():
                        _show_table(table, has_title=table.title != section.title)
        for table in found:
            if table not in narrow:
                _show_table(table, has_title=table.title != section.title)
    with st.expander(_("All steps as a table"), icon=":material/table_rows:"):
        _show_table(by_name[shown.over_time.name], has_title=False)


def _draw(drawing: Drawing, key: str) -> None:
    is_share, is_seconds = drawing.value_kind is ValueKind.SHARE, drawing.value_kind is ValueKind.SECONDS
    lines = [
        Line(
            line.name,
            COLORS[line.color],
            [None if value is None else 100 * value if is_share else value for value in line.values],
        )
        for line in drawing.lines
    ]
    unit = "%" if is_share else "s" if is_seconds and drawing.kind == "bars" else ""
    height_px = 240
    if drawing.kind == "bars":
        spec = bar_spec(drawing.labels, lines, unit=unit)
        spec["layout"]["showlegend"] = len(lines) > 1
        height_px = max(height_px, AROUND_BARS_PX + BAR_PX * len(drawing.labels))
    else:
        at = [moment.timestamp() for moment in drawing.labels]
        spec = time_spec(at, lines, is_stacked=drawing.kind == "stacks", is_seconds=is_seconds, unit=unit)
        if drawing.floor:
            spec["layout"]["yaxis"] |= {"rangemode": "normal", "range": [100 * drawing.floor, 100.5]}
    alt = in_words(drawing.title, lines, is_seconds, unit)
    draw(drawing.title, go.Figure(spec, _validate=False), alt=alt, key=key, height_px=height_px)


def _show_table(table: Table, *, has_title: bool = True) -> None:
    """Shows a table with its raw values, so that the viewer can sort by them."""
    if has_title:
        st.markdown(f"**{escaped(table.title)}**")
    names = [column.name for column in table.columns]
    # columns that may be None are objects otherwise, and sorted as texts
    frame = pd.DataFrame(list(table.rows), columns=names)
    for column in table.columns:
        if column.kind is ValueKind.MOMENT:
            frame[column.name] = pd.to_datetime(frame[column.name], utc=True)
        elif column.kind is not ValueKind.TEXT:
            frame[column.name] = pd.to_numeric(frame[column.name])
    show_table(
        frame,
        alt=table.title,
        columns={column.name: _configured(column, is_first=n == 0) for n, column in enumerate(table.columns)},
        words={column.name: duration for column in table.columns if column.kind is ValueKind.SECONDS},
        height=table_height(len(table.rows)),
    )


def _configured(column: Column, *, is_first: bool) -> Any:
    if column.kind is ValueKind.TEXT:
        return st.column_config.TextColumn(column.title, pinned=is_first)
    if column.kind is ValueKind.MOMENT:
        return time_column(column.title, has_year=True, pinned=is_first)
    if column.kind is ValueKind.SECONDS:
        return value_column(column.title)
    if column.kind in (ValueKind.SHARE, ValueKind.CHANGE, ValueKind.POINTS):
        return st.column_config.NumberColumn(column.title, format="percent")
    return st.column_config.NumberColumn(column.title, format="localized")
