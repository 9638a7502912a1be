"""Draws firing and past alerts, silences and rules."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from taskyard.core.access.identity import EVERY
from taskyard.core.access.permissions import Permission
from taskyard.core.alerts.runbook import runbook
from taskyard.core.humanize import number
from taskyard.core.i18n import N_
from taskyard.core.views.alert_groups import grouped
from taskyard.dashboard.components import address, states
from taskyard.dashboard.components.alert_values import alert_message, compared, rule_word
from taskyard.dashboard.components.choices import show_choice
from taskyard.dashboard.components.dialogs import tell
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.permitted import button, lacking
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.tables import show_table, table_height, value_column
from taskyard.dashboard.components.times import duration, time_column
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.alerts import cards, data, groups, questions
from taskyard.dashboard.pages.alerts.cards import show_card
from taskyard.dashboard.pages.alerts.rules import show_rules
from taskyard.dashboard.shell import frame

SECTIONS = {
    "firing": N_("Firing"),
    "acknowledged": N_("Acknowledged"),
    "history": N_("History"),
    "silences": N_("Silences"),
    "rules": N_("Rules"),
}


def show_open(alerts: data.Alerts, state: str, rule: str) -> None:
    """Shows the alerts that are firing or acknowledged, of one rule or grouped by all."""
    show_summary(alerts)
    found = [shown for shown in alerts.in_state(state) if groups.is_of(rule, shown)]
    if not found and state == "firing":
        show_nothing(_("No alerts firing."), "check_circle")
    elif not found:
        show_nothing(_("No acknowledged alerts. Acknowledged alerts stay here until they resolve."), "visibility")
    groups.show_groups(grouped(found), questions.ask_later)


def show_silences(alerts: data.Alerts) -> None:
    """Shows the silences."""
    show_summary(alerts)
    if not alerts.silences:
        show_nothing(_("No silences: every alert is sent to its rule's channels."), "notifications_active")
    cards.show_silences(alerts.silences, partial(questions.ask_later, "end"))


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
        st.badge(_("{count} firing").format(count=number(firing)), color="red" if firing else "green")
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
            "lasted": (shown.alert.resolved_at - shown.alert.fired_at).total_seconds(),
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
            "lasted": value_column(_("Lasted")),
            "message": st.column_config.TextColumn(_("Message"), width=320),
            "value": _("Last value"),
            "by": _("Acknowledged by"),
            "resolved": time_column(_("Resolved")),
        },
        words={"lasted": duration},
        key="alerts_history",
        height=table_height(len(rows)),
    )
    if len(history) == data.MAX_HISTORY:
        st.caption(_("Showing the newest {count}.").format(count=len(history)))


def show_one(alert_id: str) -> None:
    """Shows one alert, firing or not, with its runbook."""
    st.button(
        _("All alerts"),
        icon=":material/arrow_back:",
        type="tertiary",
        key="alerts_back",
        on_click=questions.close_alert,
    )

    def show(found: Sequence[data.ShownAlert]) -> None:
        if not found:
            show_nothing(_("There is no such alert any more."), "search_off")
            return
        [shown] = found
        show_card(shown, questions.ask_later)
        text = runbook(shown.kind, shown.alert.subject) if shown.kind else None
        if text:
            with st.container(border=True):
                st.markdown(text)

    frame.live("alert", partial(data.one, alert_id), show, about=alert_id, height_px=300)


def show_all() -> None:
    """Shows the alerts of the chosen section, or what it has instead of alerts."""
    with st.container(horizontal=True, vertical_alignment="center"):
        section = show_choice(_("Which alerts"), SECTIONS, "show", "firing")
        barred = lacking(Permission.ALERT_HANDLE, queue=EVERY, type_=EVERY)
        if st.button(
            _("New silence"),
            icon=":material/notifications_off:",
            key="new_silence",
            shortcut="Shift+N",
            **button(barred),
        ):
            questions.ask_later("new")
    questions.open_dialog()
    if section == "rules":
        frame.live("alerts_rules", data.rules, show_rules, every_seconds=10.0, height_px=400)
    elif section == "silences":
        frame.live("alerts", data.open_alerts, show_silences, height_px=300)
    else:
        rule = pick_rule() or ""
        if section == "history":
            frame.live("alerts_history", partial(data.history, rule or None), show_history, every_seconds=5.0)
        else:
            state = section or "firing"
            frame.live("alerts", data.open_alerts, lambda alerts: show_open(alerts, state, rule), height_px=300)


def pick_rule() -> str | None:
    """Lets the viewer pick one rule, kept in the address: of the file's, and of those whose alerts are open."""
    found, alerts = data.rules().value, data.open_alerts().value
    names = [rule.name for rule in found.rules] if found else []
    names = list(dict.fromkeys([*names, *(shown.alert.rule for shown in (alerts.open if alerts else ()))]))
    return st.selectbox(
        _("Rule"),
        names,
        index=None,
        placeholder=_("All rules"),
        width=320,
        format_func=rule_word,
        label_visibility="collapsed",
        **address.choice("rule", names),
    )


frame.header(_("Alerts"), _("Conditions that need attention"))
tell()
if st.query_params.get(questions.ALERT):
    questions.open_dialog()
    show_one(st.query_params[questions.ALERT])
else:
    show_all()
