"""Draws the charts of a range, one under the other over the same time, and finds the tasks behind a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from taskyard.core.views.overview_marks import Mark
from taskyard.dashboard.components import states
from taskyard.dashboard.components.charts import Line
from taskyard.dashboard.components.panels import HeatPanel, MarkedTime, Panel, TimeAxis, TimePanel, show_panels
from taskyard.dashboard.components.permitted import is_narrowed
from taskyard.dashboard.components.states import word
from taskyard.dashboard.i18n import _
from taskyard.dashboard.navigation import TASKS
from taskyard.dashboard.pages.overview import data
from taskyard.dashboard.pages.overview.behind import tasks_behind

MANY_COLORS = ("blue", "green", "orange", "violet", "red", "yellow", "gray")
CLASS_COLORS = ("red", "orange", "violet", "yellow", "blue", "gray", "green")


def show_charts(charts: data.Charts) -> None:
    """Shows the charts; a click on a point or a bar leads to the tasks behind it."""
    axis = TimeAxis(charts.at, charts.step_seconds, charts.whole_steps, [_marked(mark) for mark in charts.marks])
    place = show_panels(axis, panels_of(charts), key="overview", is_clickable=True)
    query = tasks_behind(charts, place) if place else None
    if query is not None:
        st.switch_page(TASKS.path, query_params=dict(query))


def panels_of(charts: data.Charts) -> Sequence[Panel]:
    """Returns the charts from the most important one on; the order of the first four is that of `behind`."""
    failures = {word(name): values for name, values in charts.failures.items()}
    panels: list[Panel] = [
        TimePanel(
            _("Throughput"),
            [
                Line(_("enqueued"), "gray", charts.arrived),
                Line(word("completed"), states.STATE_COLORS["completed"], charts.completed),
                Line(word("failed"), states.STATE_COLORS["failed"], charts.failed),
                Line(_("retried"), "orange", charts.retried),
            ],
            unit=_("per min"),
        ),
        TimePanel(
            _("Queue latency"),
            [
                Line("p50", "blue", charts.wait_p50),
                Line("p99", "violet", charts.wait_p99),
                Line(_("oldest ready"), "red", charts.oldest),
            ],
            is_seconds=True,
        ),
        TimePanel(_("Failed attempts by class"), _many(failures, CLASS_COLORS), unit=_("attempts"), is_stacked=True),
        TimePanel(
            _("Run time"),
            [Line("p50", "blue", charts.run_p50), Line("p99", "violet", charts.run_p99)],
            is_seconds=True,
        ),
        HeatPanel(_("Distribution of queue latency"), charts.wait_heat),
        HeatPanel(_("Distribution of run time"), charts.run_heat, "violet"),
    ]
    if not is_narrowed():
        load = {name: [None if v is None else 100 * v for v in values] for name, values in charts.load.items()}
        panels += [
            TimePanel(_("Ready tasks by queue"), _many(charts.depth), unit=_("tasks"), is_stacked=True),
            TimePanel(_("Agents' load"), _many(load), unit="%", most=105),
        ]
    return panels


def _marked(mark: Mark) -> MarkedTime:
    if mark.is_deploy:
        text = _("Taskyard {release} deployed, term {term}").format(release=mark.release, term=mark.term)
        return MarkedTime(mark.at, f"▲ {mark.release}", text, "violet")
    return MarkedTime(mark.at, "◆", _("New leader, term {term}").format(term=mark.term), "gray")


def _many(series: Mapping[str, Sequence[float | None]], colors: Sequence[str] = MANY_COLORS) -> list[Line]:
    return [Line(name, colors[n % len(colors)], values) for n, (name, values) in enumerate(series.items())]
