"""Draws a task's events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.models import AuditEvent
from taskyard.core.views.attempts import name_of
from taskyard.dashboard.components.event_details import details_in_words
from taskyard.dashboard.components.json_tree import as_text
from taskyard.dashboard.components.markdown_escape import one_line
from taskyard.dashboard.components.states import STATE_COLORS, badge_column, event_word, word
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.components.times import time_column
from taskyard.dashboard.i18n import _

EVENTS_SHOWN = 500


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
            _("Details"): details_of(event),
        }
        for event in events[: -EVENTS_SHOWN - 1 : -1]
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


def details_of(event: AuditEvent) -> str:
    """Returns what an event says besides: in words if there are any for its kind, otherwise as JSON."""
    told = details_in_words(event.event, event.detail)
    if told is not None:
        return one_line(told)
    return as_text({**(event.detail or {}), **_rounded(event.usage)}) if event.detail or event.usage else ""


def _rounded(usage: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in usage.items()}


def _show_cut(count: int) -> None:
    if count > EVENTS_SHOWN:
        st.caption(_("The last {shown} of {total}.").format(shown=EVENTS_SHOWN, total=number(count)))
