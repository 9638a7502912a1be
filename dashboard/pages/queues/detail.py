"""Draws one queue: its depth, rates and lanes now, and over time."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.scheduling.holds import HoldKind
from taskyard.core.telemetry.queue_figures import WINDOWS_MINUTES
from taskyard.dashboard.components import states
from taskyard.dashboard.components.charts import Line, time_chart
from taskyard.dashboard.components.hold_controls import show_menu
from taskyard.dashboard.components.permitted import show_left_out
from taskyard.dashboard.components.policies import policy_name
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.i18n import _
from taskyard.dashboard.navigation import TASKS
from taskyard.dashboard.pages.queues.cards import drain_text, oldest, show_queue_notes
from taskyard.dashboard.pages.queues.data import Charts, Queue
from taskyard.dashboard.pages.queues.lanes import lane_label, show_depths, show_lanes

FIGURE_WIDTH_PX = 130
CHART_WIDTH_PX = 420
SMALL_CHART_WIDTH_PX = 330


def show_queue(queue: Queue) -> None:
    """Shows its current state."""
    with st.container(horizontal=True, vertical_alignment="center"):
        states.show_badge(queue.state, states.QUEUE_COLORS)
        st.caption(_("Placement: {policy}").format(policy=policy_name(queue.figures.policy)))
        show_menu(HoldKind.QUEUE, queue.name, queue.hold, key="act_details")
        st.page_link(TASKS.path, label=_("View tasks"), icon=":material/list:", query_params={"queues": queue.name})
    figures = [
        (_("Ready"), number(queue.ready)),
        (_("Oldest"), oldest(queue)),
        (_("Time to drain"), "–" if queue.drain.seconds is None else drain_text(queue)),
        (_("Running"), number(queue.running)),
        (_("Scheduled"), number(queue.scheduled)),
        (_("Blocked"), number(queue.blocked)),
        (_("Suspended"), number(queue.suspended)),
    ]
    with st.grid(6, min_column_width=FIGURE_WIDTH_PX):
        for label, value in figures:
            st.metric(label, value, border=True)
    if queue.drain.seconds is None:
        st.caption(_("Time to drain unknown: {reason}").format(reason=drain_text(queue)))
    show_queue_notes(queue)
    with st.grid(2, min_column_width=CHART_WIDTH_PX):
        depths = [(lane_label(lane), lane.by_priority) for lane in queue.lanes]
        show_depths(_("Ready tasks by type and tags"), depths, key="queue_depth")
        _show_pace(queue)
    if queue.lanes:
        st.markdown(f"**{_('Unassigned tasks')}**")
        show_lanes(queue.lanes, key="queue_lanes")


def show_charts(charts: Charts | None) -> None:
    """Shows the charts of the range, if the viewer sees all types of the queue."""
    if charts is None:
        show_left_out()
        return
    with st.grid(3, min_column_width=SMALL_CHART_WIDTH_PX):
        time_chart(
            _("In and out"),
            charts.at,
            [Line(_("Enqueued/min"), "gray", charts.arrived), Line(_("Finished/min"), "green", charts.ended)],
            key="queue_pace",
            unit=_("per min"),
        )
        time_chart(
            _("Ready tasks"),
            charts.at,
            [Line(_("ready"), "orange", charts.waiting)],
            key="queue_ready",
            unit=_("tasks"),
        )
        time_chart(
            _("Oldest ready task"),
            charts.at,
            [Line(_("oldest"), "red", charts.oldest_seconds)],
            key="queue_oldest",
            is_seconds=True,
        )


def _show_pace(queue: Queue) -> None:
    """Shows arrivals and departures per minute, by window."""
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{_('Tasks per minute')}**")
        rates = queue.figures.rates
        rows = [
            {
                "Over": _("last {n} min").format(n=minutes),
                "In": rates[minutes].arrived,
                "Out": rates[minutes].ended,
                "Grows": rates[minutes].arrived - rates[minutes].ended,
            }
            for minutes in WINDOWS_MINUTES
        ]
        show_table(
            pd.DataFrame(rows),
            alt=_("Enqueued and finished tasks per minute"),
            columns={
                "Over": _("Over"),
                "In": st.column_config.NumberColumn(_("In"), format="%.2f", help=_("Submitted")),
                "Out": st.column_config.NumberColumn(_("Out"), format="%.2f", help=_("Completed, failed or cancelled")),
                "Grows": st.column_config.NumberColumn(_("Grows by"), format="%+.2f"),
            },
            key="queue_rates",
        )
