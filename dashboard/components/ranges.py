"""Draws the choice of a time range for charts and lists."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from taskyard.dashboard.i18n import _

MINUTE, HOUR, DAY = 60, 3600, 86_400
# By names that are the same in every language: Streamlit's binding writes them into the address.
RANGES_SECONDS: Mapping[str, int] = {
    "15m": 15 * MINUTE,
    "1h": HOUR,
    "6h": 6 * HOUR,
    "24h": DAY,
    "7d": 7 * DAY,
    "30d": 30 * DAY,
    "90d": 90 * DAY,
}


def pick_range(key: str = "range", default: str = "1h") -> int:
    """Lets the viewer pick a range up to now, kept in the page's address; returns seconds."""
    chosen = st.segmented_control(
        _("Time range"),
        list(RANGES_SECONDS),
        default=default,
        required=True,
        key=key,
        bind="query-params",
        label_visibility="collapsed",
    )
    return RANGES_SECONDS[chosen or default]
