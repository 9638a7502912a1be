"""Shows how many alerts fire, and how many questions wait for the viewer, beside pages' names in the sidebar.

Streamlit's navigation takes a page's name, which is also the tab's and changes only with the whole page. So the counts
are a picture that a rule of style puts behind the link, with a text for those who can't see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import streamlit as st

from taskyard.core.errors import NotPermitted
from taskyard.core.humanize import number
from taskyard.dashboard.components.states import SEVERITY_COLORS, word
from taskyard.dashboard.components.styles import show_style
from taskyard.dashboard.components.theme import color
from taskyard.dashboard.data.open_alerts import alert_summary
from taskyard.dashboard.data.open_questions import count_own
from taskyard.dashboard.data.viewer import Presence, presence
from taskyard.dashboard.i18n import enumerated, ngettext
from taskyard.dashboard.navigation import ALERTS, INBOX
from taskyard.dashboard.shell.frame import is_live
from taskyard.dashboard.timing import timed

REFRESH_SECONDS = 4.0
HEIGHT_PX, GAP_PX, PADDING_PX, DIGIT_PX = 16, 2, 2.5, 6  # three of three digits leave room for the page's name
THOUSAND = 1000


def show_alert_counts() -> None:
    """Draws the counts, and keeps them up to date."""

    @st.fragment(run_every=REFRESH_SECONDS if is_live() else None, key="alert_counts")
    def counts() -> None:
        if presence() is not Presence.IN:
            return  # the page itself says so
        with timed("alert_counts"):
            try:
                found = alert_summary().value
            except NotPermitted:
                return
            if found is not None:
                show_style(style(found.counts, ALERTS.name))
            if own := count_own():
                told = ngettext("{count} question for you", "{count} questions for you", own)
                show_style(style({"info": own}, INBOX.name, told.format(count=number(own))))

    counts()


def style(counts: Mapping[str, int], page: str, told: str = "") -> str:
    """Returns the style that shows counts by severity behind the link to a page; without any it shows nothing.

    `told` is the text for those who can't see them, without it the counts with their severities.
    """
    link = f'[data-testid="stSidebarNavLink"]:is([href$="/{page}"], [href*="/{page}?"])::after'
    if not counts:
        return f"{link} {{ content: none; }}"
    picture = f'url("data:image/svg+xml,{quote(_picture(counts))}")'
    told = told or enumerated([f"{number(count)} {word(severity)}" for severity, count in counts.items()])
    # browsers that know no text beside a picture take the first
    content = f'content: {picture}; content: {picture} / "{_in_style(told)}";'
    return f"{link} {{ {content} margin: 0 -6px 0 auto; height: {HEIGHT_PX}px; flex: none; }}"


def _picture(counts: Mapping[str, int]) -> str:
    """Returns an SVG with one rounded number for each severity."""
    at, parts = 0.0, []
    for severity, count in counts.items():
        text = _shown(count)
        width = max(HEIGHT_PX, 2 * PADDING_PX + DIGIT_PX * len(text))
        parts.append(
            f'<rect x="{at:g}" width="{width:g}" height="{HEIGHT_PX}" rx="{HEIGHT_PX // 2}"'
            f' fill="{color(SEVERITY_COLORS[severity])}"/>'
            f'<text x="{at + width / 2:g}" y="12" fill="{color("background")}">{text}</text>'
        )
        at += width + GAP_PX
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{at - GAP_PX:g}" height="{HEIGHT_PX}" font-family="sans-serif"'
        f' font-size="10" font-weight="600" text-anchor="middle">{"".join(parts)}</svg>'
    )


def _shown(count: int) -> str:
    return f"{count}" if count < THOUSAND else f"{count // THOUSAND}k+"


def _in_style(text: str) -> str:
    """Escapes a text for a quoted one in a style."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("<", "\\3c ")
