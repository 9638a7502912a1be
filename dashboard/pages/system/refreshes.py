"""Draws the dashboard's own refresh times."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.i18n import _
from taskyard.dashboard.timing import Refreshes

SLOWEST_SHOWN_MS = 1000


def show_refreshes(refreshes: Sequence[Refreshes]) -> None:
    """Shows refresh times of every section that was viewed."""
    st.subheader(_("Refresh times of the dashboard"))
    st.caption(
        _(
            "Server time of one refresh of a section, from its reading to its last element, since this dashboard "
            "started. Also in `/metrics` for Prometheus."
        )
    )
    if not refreshes:
        show_nothing(_("No refreshes yet."), "timer")
        return
    rows = [
        {
            "section": refresh.section,
            "count": refresh.count,
            "p50": 1000 * refresh.p50_seconds,
            "p95": 1000 * refresh.p95_seconds,
            "mean": 1000 * refresh.mean_seconds,
        }
        for refresh in refreshes
    ]
    milliseconds = "%,.0f ms"
    show_table(
        pd.DataFrame(rows),
        alt=_("Sections with their refresh times"),
        columns={
            "section": st.column_config.TextColumn(_("Section"), pinned=True),
            "count": st.column_config.NumberColumn(_("Refreshes"), format="localized"),
            "p50": st.column_config.NumberColumn("p50", format=milliseconds),
            "p95": st.column_config.ProgressColumn(
                "p95", format=milliseconds, min_value=0, max_value=SLOWEST_SHOWN_MS, color="auto-inverse"
            ),
            "mean": st.column_config.NumberColumn(_("Mean"), format=milliseconds),
        },
        key="refreshes",
        height="content",
    )
