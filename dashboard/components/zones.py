"""Knows the time zone in which a viewer is shown times."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from taskyard.dashboard import kept_choices

UTC_KEY = "shows_utc"  # the viewer's switch


def browser_zone() -> tzinfo:
    """Returns the browser's time zone, UTC if it names no known one."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def viewer_zone() -> tzinfo:
    """Returns the zone in which times are shown: the browser's, or UTC if the viewer has switched to that."""
    return UTC if shows_utc() else browser_zone()


def shows_utc() -> bool:
    """Returns True if the viewer has switched to UTC, in this session or the last time in this browser."""
    chosen = st.session_state.get(UTC_KEY)
    return kept_choices.kept(kept_choices.ZONE) == kept_choices.UTC_ZONE if chosen is None else bool(chosen)


def shown_time(moment: datetime) -> str:
    """Returns `moment` in the viewer's time zone, with the zone."""
    return f"{moment.astimezone(viewer_zone()):%Y-%m-%d %H:%M:%S %Z}"
