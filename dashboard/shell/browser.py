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


def mark_age(section: str, at_epoch: float, age_seconds: float, every_seconds: float, *, is_paused: bool) -> None:
    """Draws the place where the browser tells how old a section's reading is."""
    st.html(
        f'<span class="taskyard-age" data-taskyard-at="{at_epoch:.3f}" data-section="{escape(section)}" '
        f'data-age="{max(0.0, age_seconds):.3f}" data-every="{every_seconds:g}" data-paused="{int(is_paused)}"></span>',
        width="content",
    )
