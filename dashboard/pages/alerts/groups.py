"""Draws alerts grouped by rule: one card for a rule, whose alerts are listed in it when it is opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from taskyard.core.access.identity import EVERY
from taskyard.core.access.permissions import Permission
from taskyard.core.humanize import number
from taskyard.core.views.alert_groups import AlertGroup
from taskyard.dashboard.components import states
from taskyard.dashboard.components.alert_values import alert_message, rule_word
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import button, lacking
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data import base
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.alerts.cards import show_card, show_handling, show_subject_link
from taskyard.dashboard.pages.alerts.data import ShownAlert

MAX_GROUPS, MAX_ROWS, MAX_NAMES = 50, 25, 5
FEW = 3  # so few are listed at once
Ask = Callable[[str, Any], None]


def show_groups(groups: Sequence[AlertGroup], ask: Ask) -> None:
    """Shows a card for each group, with buttons that call `ask` with what to do and the group or the alert."""
    for group in groups[:MAX_GROUPS]:
        if len(group.alerts) == 1:
            show_card(group.first, ask)
        else:
            _show_group(group, ask)
    hidden = len(groups) - MAX_GROUPS
    if hidden > 0:
        st.caption(ngettext("{count} more is not shown.", "{count} more are not shown.", hidden).format(count=hidden))


def summary_of(group: AlertGroup) -> str:
    """Returns the group's name with its count, as Markdown."""
    name = f"**{escaped(rule_word(group.rule))}**"
    return name if len(group.alerts) == 1 else f"{name} ×{number(len(group.alerts))}"


def subjects_of(group: AlertGroup, most: int = MAX_NAMES) -> str:
    """Returns the first subjects of a group, and how many others there are."""
    names = [shown.alert.subject for shown in group.alerts]
    text = _(", ").join(names[:most])
    hidden = len(names) - most
    return text if hidden <= 0 else _("{names} and {count} more").format(names=text, count=number(hidden))


def _show_group(group: AlertGroup, ask: Ask) -> None:
    firing, barred = len(group.firing), lacking(Permission.ALERT_HANDLE)
    no_silence = lacking(Permission.ALERT_HANDLE, queue=EVERY, type_=EVERY)
    name = group.rule
    with st.container(border=True, gap="xsmall", key=f"alerts_of_{name}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            states.show_badge(group.severity, states.SEVERITY_COLORS)
            st.markdown(summary_of(group), width="content")
        st.text(subjects_of(group))
        text = _("for {duration}, since {time}")
        span = duration(max(0.0, (base.now() - group.since).total_seconds()))
        st.caption(text.format(duration=span, time=escaped(shown_time(group.since))))
        with st.container(horizontal=True):
            if firing and st.button(
                _("Acknowledge all {count}").format(count=number(firing)),
                icon=":material/visibility:",
                key=f"ack_all_{name}",
                **button(barred),
            ):
                ask("acknowledge_group", group)
            if st.button(
                _("Silence the rule"),
                icon=":material/notifications_off:",
                key=f"silence_all_{name}",
                **button(no_silence),
            ):
                ask("silence_group", group)
            if group.kind and st.button(_("Runbook"), icon=":material/menu_book:", key=f"runbook_of_{name}"):
                ask("runbook", group.first)
        is_small = len(group.alerts) <= FEW
        opened = st.expander(_("Show each"), expanded=is_small, key=f"each_of_{name}", on_change="rerun")
        if opened.open:
            with opened:
                _show_rows(group, ask)


def _show_rows(group: AlertGroup, ask: Ask) -> None:
    for shown in group.alerts[:MAX_ROWS]:
        alert = shown.alert
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"alert_{alert.id}"):
            if st.button(escaped(alert.subject), type="tertiary", key=f"open_{alert.id}", help=_("Open this alert")):
                ask("open", shown)
            st.text(alert_message(alert), width="stretch")
            st.caption(duration(max(0.0, (base.now() - alert.fired_at).total_seconds())), width="content")
            show_subject_link(shown)
            if shown.kind and st.button(
                "", icon=":material/menu_book:", type="tertiary", key=f"runbook_{alert.id}", help=_("Runbook")
            ):
                ask("runbook", shown)
        show_handling(shown)
    hidden = len(group.alerts) - MAX_ROWS
    if hidden > 0:
        st.caption(ngettext("{count} more is not shown.", "{count} more are not shown.", hidden).format(count=hidden))


def is_of(rule: str, shown: ShownAlert) -> bool:
    """Returns True if an alert is of the rule, or if no rule is asked for."""
    return rule in ("", shown.alert.rule)
