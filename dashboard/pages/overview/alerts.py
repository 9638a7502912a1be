"""Draws what fires, the worst first: a line for each rule, which leads to its alerts."""

from __future__ import annotations

import streamlit as st

from taskyard.core.views.alert_groups import AlertGroup, grouped
from taskyard.dashboard.components.alert_values import alert_message, rule_word
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.states import SEVERITY_COLORS, word
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.data import base
from taskyard.dashboard.data.open_alerts import Alerts
from taskyard.dashboard.i18n import ngettext
from taskyard.dashboard.navigation import ALERTS

MAX_LINES = 5
MAX_MESSAGE_LENGTH = 120


def show_alerts(alerts: Alerts) -> None:
    """Shows the firing alerts by severity and then by age, those of a rule as one line."""
    groups = grouped(alerts.in_state("firing"))
    with st.container(gap="xsmall", key="overview_alerts"):
        for group in groups[:MAX_LINES]:
            query = {"rule": group.rule} if len(group.alerts) > 1 else {"alert": group.first.alert.id}
            st.page_link(ALERTS.path, label=line_of(group), query_params=query, width="stretch")
        hidden = len(groups) - MAX_LINES
        if hidden > 0:
            text = ngettext("{count} more rule fires", "{count} more rules fire", hidden)
            st.page_link(ALERTS.path, label=text.format(count=hidden), icon=":material/arrow_forward:")


def line_of(group: AlertGroup) -> str:
    """Returns a group's severity, name, count, first message and age, as Markdown."""
    name = escaped(rule_word(group.rule))
    count = "" if len(group.alerts) == 1 else f" ×{len(group.alerts):,}"
    badge = f":{SEVERITY_COLORS[group.severity]}-badge[{word(group.severity)}]"
    message = escaped(alert_message(group.first.alert), MAX_MESSAGE_LENGTH)
    age = duration(max(0.0, (base.now() - group.since).total_seconds()), is_short=True)
    return f"{badge} **{name}{count}** · {message} · {age}"
