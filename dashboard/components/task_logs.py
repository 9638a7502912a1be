"""What handlers logged and what happened to a task, line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.models import AuditEvent
from dashboard.components.json_tree import as_text
from dashboard.components.states import STATE_COLORS, badge_column, event_word, word
from dashboard.components.tables import show_table
from dashboard.components.times import time_column
from dashboard.data.attempts import name_of
from dashboard.i18n import _

LINES_SHOWN = 500
LEVEL_COLORS: Mapping[str, str] = {
    "debug": "gray",
    "info": "blue",
    "warning": "orange",
    "error": "red",
    "critical": "red",
}


def show_logs(logs: Sequence[AuditEvent]) -> None:
    """What handlers logged, the newest last."""
    if not logs:
        st.caption(_("No attempt has logged anything."))
        return
    _tell_cut(len(logs))
    rows = [
        {
            _("Time"): line.at,
            _("Level"): [_level(line.detail)],
            _("Attempt"): line.attempt,
            _("Message"): str((line.detail or {}).get("message", "")),
        }
        for line in logs[-LINES_SHOWN:]
    ]
    show_table(
        pd.DataFrame(rows),
        alt=_("What the task's attempts logged, the newest last"),
        key="logs",
        columns={
            _("Time"): time_column(_("Time")),
            _("Level"): st.column_config.MultiselectColumn(
                _("Level"), options=list(LEVEL_COLORS), color=list(LEVEL_COLORS.values()), width=85
            ),
            _("Attempt"): st.column_config.NumberColumn(format="%d", width=70),
            _("Message"): st.column_config.TextColumn(width="large"),
        },
    )


def show_events(events: Sequence[AuditEvent]) -> None:
    """What happened to it, the latest first."""
    _tell_cut(len(events))
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
        alt=_("The task's events, the latest first"),
        key="events",
        columns={
            _("Time"): time_column(_("Time")),
            _("State"): badge_column(_("State"), STATE_COLORS),
            _("Attempt"): st.column_config.NumberColumn(format="%d", width=70),
            _("Details"): st.column_config.TextColumn(width="large"),
        },
    )


def _level(detail: Mapping[str, Any] | None) -> str:
    return str((detail or {}).get("level", "")).lower()


def _rounded(usage: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in usage.items()}


def _tell_cut(count: int) -> None:
    if count > LINES_SHOWN:
        st.caption(_("The last {shown} of {total}.").format(shown=LINES_SHOWN, total=f"{count:,}"))
