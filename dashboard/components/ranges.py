"""Draws the choice of a time range for charts and lists."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from taskyard.core.i18n import N_
from taskyard.dashboard.components.address import has_arrived
from taskyard.dashboard.components.choices import show_choice
from taskyard.dashboard.i18n import _

MINUTE, HOUR, DAY = 60, 3600, 86_400
KEPT_KEY = "range_kept"  # the range that the viewer picked, for all pages
# By their names in the address, which are the same in every language.
RANGES_SECONDS: Mapping[str, int] = {
    "15m": 15 * MINUTE,
    "1h": HOUR,
    "6h": 6 * HOUR,
    "24h": DAY,
    "7d": 7 * DAY,
    "30d": 30 * DAY,
    "90d": 90 * DAY,
}


LABELS = {
    "15m": N_("15m"),
    "1h": N_("1h"),
    "6h": N_("6h"),
    "24h": N_("24h"),
    "7d": N_("7d"),
    "30d": N_("30d"),
    "90d": N_("90d"),
}


def pick_range(key: str = "range", default: str = "1h") -> int:
    """Lets the viewer pick a range up to now, kept in the page's address; returns seconds.

    The range that was picked last is that of the next page, too, unless its address names another.
    """
    kept = st.session_state.get(KEPT_KEY)
    if kept is not None and has_arrived() and key not in st.query_params:
        st.query_params[key] = kept
    chosen = show_choice(_("Time range"), LABELS, key, default)
    if kept is not None or chosen != default:
        st.session_state[KEPT_KEY] = chosen
    return RANGES_SECONDS[chosen]
