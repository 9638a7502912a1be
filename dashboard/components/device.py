"""Tells phones and narrow windows from others, by what the browser says of itself."""

from __future__ import annotations

import streamlit as st

from taskyard.dashboard.kept_choices import cookie_name

NARROW = "narrow"  # the cookie of dashboard/browser/base.js


def is_narrow() -> bool:
    """Returns True for the browser of a phone, and for a window that was no wider than one when it opened the page."""
    headers = st.context.headers
    if "Mobi" in (headers.get("User-Agent") or ""):
        return True
    return st.context.cookies.get(cookie_name(NARROW, headers.get("host") or "")) == "1"
