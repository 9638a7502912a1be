"""Tells the scripts in the browser (dashboard/browser) what they need to know of the page and of a reading."""

from __future__ import annotations

from html import escape

import streamlit as st

from taskyard.core.access.identity import Actor
from taskyard.dashboard.i18n import language


def mark_page(who: Actor) -> None:
    """Tells the page's language, and whose it is; it shows nothing."""
    user = who.name.partition("@")[0]  # the address behind it may change
    st.html(f'<span data-taskyard-page data-language="{language()}" data-user="{escape(user)}"></span>')
