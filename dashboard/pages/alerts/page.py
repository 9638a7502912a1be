"""Draws firing and past alerts, silences and rules."""

import glob
from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from taskyard.core.access.identity import EVERY
from taskyard.core.access.permissions import Permission
from taskyard.core.alerts.runbook import runbook
from taskyard.core.i18n import N_
from taskyard.core.postgres.store.alerts import Silence
from taskyard.dashboard.components import address, states
from taskyard.dashboard.components.alert_values import alert_message, compared, rule_word
from taskyard.dashboard.components.dialogs import ask, show_page, tell
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import button, lacking
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.tables import show_table, table_height
from taskyard.dashboard.components.times import duration, shown_time, time_column
from taskyard.dashboard.i18n import _, is_english, labelled, ngettext
from taskyard.dashboard.pages.alerts import cards, data
from taskyard.dashboard.pages.alerts.rules import show_rules
from taskyard.dashboard.shell import frame

SECTIONS = {
    "firing": N_("Firing"),
    "acknowledged": N_("Acknowledged"),
    "history": N_("History"),
    "silences": N_("Silences"),
    "rules": N_("Rules"),
}
DURATIONS_SECONDS = (1800, 3600, 4 * 3600, 86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400)
# What a button in a live section requests: the dialog belongs to the whole page, which outlives a refresh.
REQUESTED_KEY = "alerts_asked"


def show_firing(alerts: data.Alerts) -> None:
    """Shows the firing alerts."""
    show_summary(alerts)
    firing = alerts.in_state("firing")
    if not firing:
        show_nothing(_("No alerts firing."), "check_circle")
    cards.show_alerts(firing, ask_later)


def show_acknowledged(alerts: data.Alerts) -> None:
    """Shows the acknowledged alerts, which still resolve by themselves."""
    show_summary(alerts)
    acknowledged = alerts.in_state("acknowledged")
    if not acknowledged:
        show_nothing(_("No acknowledged alerts. Acknowledged alerts stay here until they resolve."), "visibility")
    cards.show_alerts(acknowledged, ask_later)


def show_silences(alerts: data.Alerts) -> None:
    """Shows the silences."""
    show_summary(alerts)
    if not alerts.silences:
        show_nothing(_("No silences: every alert is sent to its rule's channels."), "notifications_active")
    cards.show_silences(alerts.silences, partial(ask_later, "end"))


def show_summary(alerts: data.Alerts) -> None:
    """Shows how many there are of each, and whether a worker evaluates the rules."""
    if not alerts.is_judged:
        st.warning(
            _("Alerts can't fire or resolve until a worker leads."),
            title=_("No worker leads"),
            icon=":material/person_off:",
        )
    firing, acknowledged = len(alerts.in_state("firing")), len(alerts.in_state("acknowledged"))
    silences = len(alerts.silences)
    with st.container(horizontal=True, gap="small"):
        st.badge(_("{count} firing").format(count=firing), color="red" if firing else "green")
        st.badge(_("{count} acknowledged").format(count=acknowledged), color="blue" if acknowledged else "gray")
        text = ngettext("{count} silence", "{count} silences", silences).format(count=silences)
        st.badge(text, color="violet" if silences else "gray")


def show_history(history: Sequence[data.ShownAlert]) -> None:
    """Shows the resolved alerts."""
    if not history:
        show_nothing(_("No alert has resolved yet."), "history")
        return
    rows = [
        {
            "severity": [word(shown.alert.severity)],
            "rule": rule_word(shown.alert.rule),
            "subject": shown.alert.subject,
            "fired": shown.alert.fired_at,
            "lasted": duration((shown.alert.resolved_at - shown.alert.fired_at).total_seconds()),
            "message": alert_message(shown.alert),
            "value": compared(shown.kind, shown.alert.value, shown.alert.threshold),
            "by": shown.alert.acknowledged_by or "",
            "resolved": shown.alert.resolved_at,
        }
        for shown in history
        if shown.alert.resolved_at
    ]
    show_table(
        pd.DataFrame(rows),
        alt=_("Resolved alerts, newest first"),
        columns={
            "severity": states.badge_column(_("Severity"), states.SEVERITY_COLORS, width=90),
            "rule": _("Rule"),
            "subject": _("Subject"),
            "fired": time_column(_("Fired")),
            "lasted": _("Lasted"),
            "message": st.column_config.TextColumn(_("Message"), width=320),
            "value": _("Last value"),
            "by": _("Acknowledged by"),
            "resolved": time_column(_("Resolved")),
        },
        key="alerts_history",
        height=table_height(len(rows)),
    )
    if len(history) == data.MAX_HISTORY:
        st.caption(_("Showing the newest {count}.").format(count=len(history)))


def ask_later(what: str, about: Any = None) -> None:
    """Makes the whole page open a dialog; for a card's button."""
    st.session_state[REQUESTED_KEY] = (what, about)
    st.rerun()


def open_dialog() -> None:
    """Opens the dialog that a button requested, if one did."""
    what, about = st.session_state.pop(REQUESTED_KEY, (None, None))
    if what == "acknowledge":
        ask_to_acknowledge(about)
    elif what == "silence":
        ask_to_silence(glob.escape(about.alert.rule), glob.escape(about.alert.subject))
    elif what == "new":
        ask_to_silence("*", "*")
    elif what == "end":
        ask_to_end(about)
    elif what == "runbook":
        note = "" if is_english() else _("Runbooks are in English only.")
        show_page(_("Runbook"), runbook(about.kind, about.alert.subject) or "", note)


def ask_to_acknowledge(shown: data.ShownAlert) -> None:
    def fields() -> None:
        st.text(labelled(rule_word(shown.alert.rule), shown.alert.subject))
        st.caption(_("Shows other operators that you are handling it. It resolves by itself when its condition ends."))

    def act(_answer: None, reason: str) -> str:
        is_changed = data.acknowledge(shown.alert.id, reason)
        return _("Acknowledged") if is_changed else _("No change: the alert was no longer firing")

    ask(f"ack_{shown.alert.id}", _("Acknowledge an alert"), fields, act, label=_("Acknowledge"))


def ask_to_silence(rule: str, subject: str) -> None:
    name = f"silence_{rule}_{subject}"

    def fields() -> tuple[str, str, int]:
        st.caption(
            _(
                "Matching alerts send no notifications. They are still recorded, "
                "and those still firing when the silence ends are sent then."
            )
        )
        chosen_rule = st.text_input(
            _("Rule"), rule, max_chars=data.MAX_PATTERN_LENGTH, key=f"{name}_rule", help=_("`*` matches anything.")
        )
        chosen_subject = st.text_input(
            _("Subject"),
            subject,
            max_chars=data.MAX_PATTERN_LENGTH,
            key=f"{name}_subject",
            help=_("`*` matches anything, `?` one character."),
        )
        seconds = st.selectbox(_("For"), DURATIONS_SECONDS, index=1, format_func=duration, key=f"{name}_seconds")
        return chosen_rule or "", chosen_subject or "", seconds or DURATIONS_SECONDS[1]

    def act(answer: tuple[str, str, int], reason: str) -> str:
        made = data.silence(*answer, reason)
        return _("Silenced until {time}").format(time=escaped(shown_time(made.until)))

    ask(name, _("Silence alerts"), fields, act, label=_("Silence"))


def ask_to_end(silence: Silence) -> None:
    def fields() -> None:
        st.text(labelled(silence.rule, silence.subject))
        st.caption(_("Matching alerts that still fire are sent at once."))

    def act(_answer: None, _reason: str) -> str:
        is_changed = data.end_silence(silence.id)
        return _("Silence ended") if is_changed else _("The silence had already ended")

    ask(f"end_{silence.id}", _("End a silence"), fields, act, label=_("End silence"), has_reason=False)


frame.header(_("Alerts"), _("Conditions that need attention"))
tell()
with st.container(horizontal=True, vertical_alignment="center"):
    section = st.segmented_control(
        _("Which alerts"),
        list(SECTIONS),
        required=True,
        format_func=lambda name: _(SECTIONS[name]),
        label_visibility="collapsed",
        **address.choice("show", list(SECTIONS), "firing"),
    )
    barred = lacking(Permission.ALERT_HANDLE, queue=EVERY, type_=EVERY)
    if st.button(
        _("New silence"),
        icon=":material/notifications_off:",
        key="new_silence",
        shortcut="Shift+N",
        **button(barred),
    ):
        ask_later("new")
open_dialog()
if section == "history":
    found = data.rules().value
    names = [rule.name for rule in found.rules] if found else []
    chosen_rule = st.selectbox(
        _("Rule"),
        names,
        index=None,
        placeholder=_("All rules"),
        width=320,
        format_func=rule_word,
        **address.choice("rule", names),
    )
    frame.live("alerts_history", partial(data.history, chosen_rule), show_history, every_seconds=5.0)
elif section == "rules":
    frame.live("alerts_rules", data.rules, show_rules, every_seconds=10.0, height_px=400)
else:
    show = {"firing": show_firing, "acknowledged": show_acknowledged, "silences": show_silences}
    frame.live("alerts", data.now, show[section or "firing"], height_px=300)
