"""Draws unassigned tasks by lane: as bars by priority, and as a table with reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from taskyard.core.humanize import number
from taskyard.dashboard.components import states
from taskyard.dashboard.components.charts import Line, bar_chart
from taskyard.dashboard.components.paging import ROWS, page_of
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.tables import show_table, table_height, value_column
from taskyard.dashboard.components.times import age
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.queues.data import LaneNow

BARS_SHOWN = 15
BAR_PX = 26
MIN_HEIGHT_PX = 150


def show_depths(title: str, depths: Sequence[tuple[str, Mapping[str, int]]], *, key: str) -> None:
    """Shows bars of ready tasks by priority, longest first; `depths` are labels with the counts of each priority."""
    if not any(sum(counts.values()) for _label, counts in depths):
        with st.container(border=True, height="stretch"):
            st.markdown(f"**{title}**")
            st.caption(_("No tasks waiting for an agent."))
        return
    deepest = sorted(depths, key=lambda depth: -sum(depth[1].values()))[:BARS_SHOWN]
    lines = [
        Line(word(name), states.PRIORITY_COLORS[name], [counts.get(name, 0) for _label, counts in deepest])
        for name in states.PRIORITIES[::-1]
    ]
    height = max(MIN_HEIGHT_PX, 70 + BAR_PX * len(deepest))
    bar_chart(title, [label for label, _counts in deepest], lines, key=key, unit=_("tasks"), height_px=height)
    left = len(depths) - len(deepest)
    if left:
        st.caption(
            ngettext("{count} shorter one not shown.", "{count} shorter ones not shown.", left).format(
                count=number(left)
            )
        )


def lane_label(lane: LaneNow) -> str:
    """Returns the type, and the tags that it requires."""
    return " ".join([lane.lane.type, *(f"+{tag}" for tag in lane.lane.requires)])


def show_lanes(lanes: Sequence[LaneNow], *, key: str) -> None:
    """Shows a row for each lane, those that no agent can take first."""
    ordered = sorted(lanes, key=lambda lane: (not lane.is_stuck, not lane.reason, -lane.ready))
    shown = page_of(ordered, ROWS, key=f"{key}_page")
    rows = [
        {
            "Type": lane.lane.type,
            "Ready": lane.ready,
            "Oldest": lane.oldest_seconds,
            "Why": translate(lane.reason),
            "Queue": lane.lane.queue,
            "Tags": ", ".join(lane.lane.requires),
            **{name: lane.by_priority.get(name, 0) for name in states.PRIORITIES[::-1]},
        }
        for lane in shown
    ]
    show_table(
        pd.DataFrame(rows),
        alt=_("Unassigned tasks by queue, type and tags"),
        columns={
            "Type": st.column_config.TextColumn(_("Type"), pinned=True, width=170),
            "Ready": st.column_config.NumberColumn(_("Ready"), format="localized", width=80),
            "Oldest": value_column(_("Oldest"), help=_("Age of the oldest task"), width=100),
            "Why": st.column_config.TextColumn(_("Reason"), help=_("Empty: waiting for a free slot"), width=320),
            "Queue": st.column_config.TextColumn(_("Queue"), width=120),
            "Tags": st.column_config.TextColumn(_("Requires tags"), width=120),
            **{
                name: st.column_config.NumberColumn(word(name), format="localized", width=80)
                for name in states.PRIORITIES
            },
        },
        words={"Oldest": age},
        key=key,
        height=table_height(len(rows)),
    )
