"""Draws the last log lines of workers and agents, as a table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.i18n import N_
from taskyard.core.redis.log_tail import LEVELS, LINES_KEPT, LogLine
from taskyard.dashboard.components.address import choice, text_field
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.components.times import time_column, time_of
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.system.worker_log_data import LINES_SHOWN

LEVEL_COLORS = {"debug": "gray", "info": "blue", "warning": "orange", "error": "red", "critical": "red"}
LEVEL_WORDS = {
    "debug": N_("debug"),
    "info": N_("info"),
    "warning": N_("warning"),
    "error": N_("error"),
    "critical": N_("critical"),
}
TABLE_HEIGHT_PX = 620


def pick_lines() -> tuple[str, str]:
    """Lets the viewer filter lines: the minimum level, and a text in them."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        level = st.selectbox(
            _("Minimum level"),
            LEVELS,
            format_func=lambda name: _(LEVEL_WORDS[name]),
            width=160,
            **choice("level", LEVELS, "info"),
        )
        text = st.text_input(
            _("Contains"), placeholder=_("a task's id, an event, an agent …"), max_chars=200, **text_field("text")
        )
    return level or "info", text.strip()


def show_lines(lines: Sequence[LogLine], level: str, text: str) -> None:
    """Shows the lines, newest first."""
    if not lines:
        if text:
            show_nothing(_("No line matches."), "search_off")
        elif level == LEVELS[0]:
            show_nothing(_("No log lines in the last day."), "article")
        else:
            show_nothing(_("No log lines of this level or higher in the last day."), "article")
        return
    rows = [
        {
            "at": time_of(line.at),
            "level": [_(LEVEL_WORDS.get(line.level, line.level))],
            "event": line.event,
            "fields": " ".join(f"{name}={value}" for name, value in line.fields.items()),
            "process": line.process,
            "host": line.host,
        }
        for line in lines
    ]
    show_table(
        pd.DataFrame(rows),
        alt=_("Recent log lines, newest first"),
        columns={
            "at": time_column(_("Time"), is_exact=True, width=150),
            "level": st.column_config.MultiselectColumn(
                _("Level"),
                options=[_(LEVEL_WORDS[name]) for name in LEVELS],
                color=[LEVEL_COLORS[name] for name in LEVELS],
                width=90,
            ),
            "event": st.column_config.TextColumn(_("Event"), width=220),
            "fields": st.column_config.TextColumn(_("Message"), width=520),
            "process": st.column_config.TextColumn(_("Process"), width=130),
            "host": st.column_config.TextColumn(_("Host"), width=100),
        },
        key="log_lines",
        height=TABLE_HEIGHT_PX if len(rows) > 16 else "content",
    )
    if len(lines) == LINES_SHOWN:
        st.caption(
            _("The newest {count} matching lines; narrow the filter to see older ones.").format(count=len(lines))
        )
    st.caption(
        _(
            "About the last {count} lines of all workers and agents are kept for a day. Open a cell to see all of it."
        ).format(count=number(LINES_KEPT))
    )
