"""Draws what fires, the worst first: a line for each rule, which leads to its alerts."""

from __future__ import annotations

import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.views.alert_groups import AlertLine
from taskyard.dashboard.components.alert_values import alert_message, rule_word
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.states import SEVERITY_COLORS, word
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.data import base
from taskyard.dashboard.data.open_alerts import AlertSummary
from taskyard.dashboard.i18n import ngettext
from taskyard.dashboard.navigation import ALERTS

MAX_MESSAGE_LENGTH = 120


def show_alerts(found: AlertSummary) -> None:
    """Shows the firing alerts by severity and then by age, those of a rule as one line."""
    with st.container(gap="xsmall", key="overview_alerts"):
        for line in found.lines:
            alert = line.first.alert
            query = {"rule": alert.rule} if line.count > 1 else {"alert": alert.id}
            st.page_link(ALERTS.path, label=label_of(line), query_params=query, width="stretch")
        hidden = found.rules - len(found.lines)
        if hidden > 0:
            text = ngettext("{count} more rule fires", "{count} more rules fire", hidden)
            st.page_link(ALERTS.path, label=text.format(count=hidden), icon=":material/arrow_forward:")


def label_of(line: AlertLine) -> str:
    """Returns a line's severity, name, count, first message and age, as Markdown."""
    alert = line.first.alert
    name = escaped(rule_word(alert.rule))
    count = "" if line.count == 1 else f" ×{number(line.count)}"
    badge = f":{SEVERITY_COLORS[alert.severity]}-badge[{word(alert.severity)}]"
    message = escaped(alert_message(alert), MAX_MESSAGE_LENGTH)
    age = duration(max(0.0, (base.now() - line.since).total_seconds()), is_short=True)
    return f"{badge} **{name}{count}** · {message} · {age}"
