"""Draws the switch between the browser's time zone and UTC, for all pages."""

from __future__ import annotations

import streamlit as st

from taskyard.dashboard import kept_choices
from taskyard.dashboard.components.zones import UTC_KEY, browser_zone, shows_utc
from taskyard.dashboard.i18n import _
from taskyard.dashboard.kept_choices import BROWSER_ZONE, UTC_ZONE


def show_zone_switch() -> None:
    """Shows the switch; nothing to viewers whose browser is in UTC."""
    zone = str(browser_zone())
    if zone == "UTC":
        return
    st.session_state[UTC_KEY] = shows_utc()
    st.toggle(
        _("Times in UTC"),
        key=UTC_KEY,
        persist_state="session",
        help=_("Otherwise in {zone}").format(zone=zone),
        on_change=_keep,
    )


def _keep() -> None:
    """Has the browser keep the choice."""
    kept_choices.keep(kept_choices.ZONE, UTC_ZONE if st.session_state[UTC_KEY] else BROWSER_ZONE)
