"""Draws a task's log output, and its events, line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from taskyard.core.models import AuditEvent, LogEntry
from taskyard.core.views.attempts import name_of
from taskyard.dashboard.components.json_tree import as_text
from taskyard.dashboard.components.states import STATE_COLORS, badge_column, event_word, word
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.components.times import time_column
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.task import data

LINES_SHOWN = 500
PAGES_KEY = "log_pages"  # the task, and the ends of the pages before, for going back
STREAMS = ("stdout", "stderr")
LEVEL_COLORS: Mapping[str, str] = {
    "debug": "gray",
    "info": "blue",
    "warning": "orange",
    "error": "red",
    "critical": "red",
    "stdout": "gray",
    "stderr": "violet",
}


def show_logs(task_id: str) -> None:
    """Shows the log output of attempts, a page at a time, newest last."""
    if st.session_state.get(PAGES_KEY, ("",))[0] != task_id:
        st.session_state[PAGES_KEY] = (task_id, [])
    places: list[str] = st.session_state[PAGES_KEY][1]
    page = data.log_page(task_id, places[-1] if places else "").value
    if page is None:
        return
    if not page.entries and not places:
        st.caption(_("No log output yet."))
        return
    rows = [row for entry in page.entries for row in _rows_of(entry)]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            _("Older"),
            icon=":material/arrow_upward:",
            disabled=page.older is None,
            key="log_older",
            on_click=places.append,
            args=(str(page.older),),
        )
        st.button(
            _("Newer"),
            icon=":material/arrow_downward:",
            disabled=not places,
            key="log_newer",
            on_click=_newer,
            args=(places,),
        )
        st.link_button(_("Download the whole log"), f"export/log.txt?id={task_id}", icon=":material/download:")
    if page.older is not None:
        st.caption(_("Part of the log: earlier entries exist."))
    show_table(
        pd.DataFrame(rows),
        alt=_("Log of the task's attempts, newest last"),
        key="logs",
        columns={
            _("Time"): time_column(_("Time"), is_exact=True),
            _("Level"): st.column_config.MultiselectColumn(
                _("Level"), options=list(LEVEL_COLORS), color=list(LEVEL_COLORS.values()), width=85
            ),
            _("Attempt"): st.column_config.NumberColumn(format="%d", width=70),
            _("Message"): st.column_config.TextColumn(width="large"),
        },
    )


def _newer(places: list[str]) -> None:
    if places:
        places.pop()


def _rows_of(entry: LogEntry) -> list[dict[str, Any]]:
    """Returns an entry as table rows: one for each printed line."""
    lines = entry.message.split("\n") if entry.level in STREAMS else [entry.message]
    return [
        {
            _("Time"): entry.at,
            _("Level"): [entry.level.lower()],
            _("Attempt"): entry.attempt,
            _("Message"): line,
        }
        for line in lines
    ]


def show_events(events: Sequence[AuditEvent]) -> None:
    """Shows its events, latest first."""
    _show_cut(len(events))
    rows = [
        {
            _("Time"): event.at,
            _("Event"): event_word(event.event),
            _("State"): [word(event.to_state)] if event.to_state else [],
            _("Attempt"): event.attempt,
            _("By"): event.actor,
            _("Agent"): name_of(event.agent_id),
            _("Details"): as_text({**(event.detail or {}), **_rounded(event.usage)})
            if event.detail or event.usage
            else "",
        }
        for event in events[: -LINES_SHOWN - 1 : -1]
    ]
    show_table(
        pd.DataFrame(rows),
        alt=_("The task's events, latest first"),
        key="events",
        columns={
            _("Time"): time_column(_("Time"), is_exact=True),
            _("State"): badge_column(_("State"), STATE_COLORS),
            _("Attempt"): st.column_config.NumberColumn(format="%d", width=70),
            _("Details"): st.column_config.TextColumn(width="large"),
        },
    )


def _rounded(usage: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in usage.items()}


def _show_cut(count: int) -> None:
    if count > LINES_SHOWN:
        st.caption(_("The last {shown} of {total}.").format(shown=LINES_SHOWN, total=f"{count:,}"))
