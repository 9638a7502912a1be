"""Draws the alert rules and the channels."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from taskyard.dashboard.components import states
from taskyard.dashboard.components.alert_values import rule_word, shown_value
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.tables import show_table, value_column
from taskyard.dashboard.components.times import span
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.alerts import data


def show_rules(rules: data.Rules) -> None:
    """Shows the rules, or the problems in their file."""
    st.text(
        _("The shipped rules; set TASKYARD_ALERTS_FILE to use your own file.")
        if rules.is_shipped
        else _("Read from {file}").format(file=rules.source)
    )
    st.caption(_("A worker reads the file when it starts."))
    if rules.problems:
        st.warning(
            _("A worker can't start with this file. Running workers keep the rules they read when they started."),
            title=_("The rules file can't be used"),
            icon=":material/rule:",
        )
        for problem in rules.problems:
            st.text(translate(problem))
        return
    show_rule_table(rules.rules)
    st.subheader(_("Channels"))
    if rules.channels:
        show_table(
            pd.DataFrame([{"channel": c.name, "kind": c.kind, "to": c.target} for c in rules.channels]),
            alt=_("Channels"),
            columns={"channel": _("Channel"), "kind": _("Kind"), "to": _("Sent to")},
            key="alerts_channels",
            width="content",
        )
    else:
        show_nothing(_("No channel is configured: alerts are only shown here."), "notifications_off")
    st.caption(_("Rules are evaluated every {duration}.").format(duration=span(rules.every_seconds)))


def show_rule_table(rules: Sequence[data.ShownRule]) -> None:
    """Shows a row for each rule."""
    if not rules:
        show_nothing(_("The file has no rules, so nothing can fire."), "rule")
        return
    rows = [
        {
            "rule": rule_word(rule.name),
            "severity": [word(rule.severity)],
            "fires_at": _("yes") if rule.threshold is None else shown_value(rule.kind, rule.threshold),
            "clears_below": _("no") if rule.clear is None else shown_value(rule.kind, rule.clear),
            "for": rule.for_seconds,
            "window": rule.window_seconds,
            "measures": _(rule.measures),
            "subjects": ", ".join(rule.subjects),
            "channels": _("all") if rule.channels is None else ", ".join(rule.channels) or _("none"),
        }
        for rule in rules
    ]
    show_table(
        pd.DataFrame(rows),
        alt=_("Rules"),
        columns={
            "rule": _("Rule"),
            "severity": states.badge_column(_("Severity"), states.SEVERITY_COLORS, width=90),
            "fires_at": _("Fires at"),
            "clears_below": _("Clears below"),
            "for": value_column(_("For")),
            "window": value_column(_("Window")),
            "measures": st.column_config.TextColumn(_("Measures"), width=380),
            "subjects": _("Subjects"),
            "channels": _("Channels"),
        },
        words={"for": lambda seconds: span(seconds) if seconds else _("at once"), "window": span},
        key="alerts_rules",
        height="content",
    )
