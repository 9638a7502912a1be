"""Draws the switch between the browser's time zone and UTC, for all pages."""

from __future__ import annotations

import streamlit as st

from taskyard.dashboard.components.times import UTC_KEY, browser_zone
from taskyard.dashboard.i18n import _


def show_zone_switch() -> None:
    """Shows the switch; nothing to viewers whose browser is in UTC."""
    zone = str(browser_zone())
    if zone != "UTC":
        st.toggle(
            _("Times in UTC"), key=UTC_KEY, persist_state="session", help=_("Otherwise in {zone}").format(zone=zone)
        )
