"""Draws the part of the page Learning that says how tasks are ordered by what is learned."""

from __future__ import annotations

import streamlit as st

from taskyard.dashboard.components.permitted import is_narrowed, show_left_out
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.learning import agents_data, comparisons_data, order_data
from taskyard.dashboard.pages.learning.agents_map import show_differences
from taskyard.dashboard.pages.learning.comparisons import show_comparisons
from taskyard.dashboard.pages.learning.order_table import show_orders
from taskyard.dashboard.pages.learning.replay_form import show_replay
from taskyard.dashboard.shell import frame


def show_order() -> None:
    """Shows for which queues head starts are given, how agents differ, and what other policies would change."""
    if is_narrowed():
        show_left_out()
    frame.live("learning_orders", order_data.orders, show_orders, every_seconds=5.0, height_px=200)
    if agents_data.sees_differences():
        st.subheader(_("What agents are best at"))
        frame.live(
            "learning_agents",
            agents_data.differences,
            show_differences,
            every_seconds=10.0,
            shows_update_time=False,
            height_px=300,
        )
    if comparisons_data.sees_comparisons():
        show_comparisons()
    show_replay()
