"""Draws the choice of a report's period: presets and custom ranges, in the viewer's time zone."""

from __future__ import annotations

from datetime import datetime, time, timedelta, tzinfo

import streamlit as st

from taskyard.core.i18n import N_
from taskyard.dashboard.components.address import choice, moment
from taskyard.dashboard.components.zones import viewer_zone
from taskyard.dashboard.data import base
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.reports.data import LONGEST_SECONDS

CUSTOM = "custom"
PRESETS = {
    "yesterday": N_("Yesterday"),
    "24h": N_("Last 24 h"),
    "this_week": N_("This week"),
    "last_week": N_("Last week"),
    "30d": N_("Last 30 days"),
    CUSTOM: N_("Custom range"),
}
DEFAULT = "24h"
FIELD_WIDTH_PX = 220
DAY, WEEK = timedelta(days=1), timedelta(days=7)
FIRST, LAST = datetime(2000, 1, 1), datetime(2099, 12, 31, 23, 59)  # that can be picked


def pick_period() -> tuple[str, datetime | None, datetime | None]:
    """Lets the viewer pick a preset or a custom range: (preset, since, until), both None for a preset."""
    preset = (
        st.segmented_control(
            _("Time range"),
            list(PRESETS),
            required=True,
            format_func=lambda name: _(PRESETS[name]),
            label_visibility="collapsed",
            **choice("period", list(PRESETS), DEFAULT),
        )
        or DEFAULT
    )
    if preset != CUSTOM:
        return preset, None, None
    zone = viewer_zone()
    today = datetime.combine(base.now().astimezone(zone).date(), time())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        since = _pick_moment("since", _("From"), today - DAY, zone)
        until = _pick_moment("until", _("To"), today, zone)
    return preset, since, until


def span(preset: str, now: datetime) -> tuple[datetime, datetime]:
    """Returns the beginning and the end of a preset (pure); `now` is aware, and days are those of its zone."""
    today = datetime.combine(now.date(), time(), now.tzinfo)
    monday = today - timedelta(days=today.weekday())
    minute = now.replace(second=0, microsecond=0)
    spans = {
        "yesterday": (today - DAY, today),
        "24h": (minute - DAY, minute),
        "this_week": (monday, minute),
        "last_week": (monday - WEEK, monday),
        "30d": (today - 30 * DAY, today),
    }
    return spans[preset]


def problem_of(since: datetime, until: datetime, now: datetime) -> str:
    """Returns the problem of a range, in the viewer's language; empty if it is valid."""
    if since >= until:
        return _("The range ends before it begins: pick a later end.")
    if since >= now:
        return _("The range is in the future: pick one that begins in the past.")
    if (until - since).total_seconds() > LONGEST_SECONDS:
        return _("The range is too long: a report covers at most three years.")
    return ""


def _pick_moment(name: str, label: str, default: datetime, zone: tzinfo) -> datetime:
    """Lets the viewer pick a time in `zone`; the naive default goes into the address too."""
    if name not in st.query_params:
        st.query_params[name] = default.replace(tzinfo=zone).isoformat(timespec="minutes")
    arguments = moment(name)
    known = st.session_state[arguments["key"]]
    if known is None or not FIRST <= known <= LAST:
        st.session_state[arguments["key"]] = default
    picked = st.datetime_input(
        label, min_value=FIRST, max_value=LAST, required=True, width=FIELD_WIDTH_PX, step=60, **arguments
    )
    return (picked or default).replace(tzinfo=zone)
