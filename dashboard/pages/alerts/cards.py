"""Draws an alert and silences, a card each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import streamlit as st

from taskyard.core.access.identity import EVERY
from taskyard.core.access.permissions import Permission
from taskyard.core.alerts.subject_page import subject_page, submitted_page
from taskyard.core.i18n import N_
from taskyard.core.postgres.store.alerts import Silence
from taskyard.dashboard.components import states
from taskyard.dashboard.components.alert_values import alert_message, compared, rule_word
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import button, lacking
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data import base
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.navigation import VIEWS_BY_NAME
from taskyard.dashboard.pages.alerts.data import ShownAlert

MAX_CARDS = 50
SUBJECT_LABELS = {
    "queues": N_("View queue"),
    "tasks": N_("View tasks"),
    "failures": N_("View failures"),
    "agents": N_("View agent"),
    "learning": N_("View predictions"),
    "system": N_("View system"),
    "webhooks": N_("View webhooks"),
    "schedules": N_("View schedule"),
    "inbox": N_("View questions"),
    "workflows": N_("View workflow"),
    "task": N_("View task"),
}


def show_card(shown: ShownAlert, ask: Callable[[str, ShownAlert], None]) -> None:
    """Shows one alert, with buttons that call `ask` with what to do: acknowledge, silence, runbook or open."""
    barred = lacking(Permission.ALERT_HANDLE)
    no_silence = lacking(Permission.ALERT_HANDLE, queue=EVERY, type_=EVERY)
    name = shown.alert.id
    with st.container(border=True, gap="xsmall", key=f"alert_{name}"):
        _show_alert(shown)
        with st.container(horizontal=True):
            if shown.alert.state == "firing" and st.button(
                _("Acknowledge"), icon=":material/visibility:", key=f"ack_{name}", **button(barred)
            ):
                ask("acknowledge", shown)
            if shown.alert.resolved_at is None and st.button(
                _("Silence"), icon=":material/notifications_off:", key=f"silence_{name}", **button(no_silence)
            ):
                ask("silence", shown)
            if shown.kind and st.button(_("Runbook"), icon=":material/menu_book:", key=f"runbook_{name}"):
                ask("runbook", shown)
            show_subject_link(shown)


def show_subject_link(shown: ShownAlert) -> None:
    """Shows links to the pages about the alert's subject, and of what it tells of, if the viewer may open them."""
    for place in (
        subject_page(shown.kind, shown.alert.subject),
        submitted_page(shown.alert.message_parameters) if shown.kind == "schedule_late" else None,
    ):
        if place is not None and (view := VIEWS_BY_NAME[place[0]]).lack_of(viewer()) is None:
            label, icon = _(SUBJECT_LABELS[view.name]), f":material/{view.icon}:"
            st.page_link(view.path, label=label, icon=icon, query_params=dict(place[1]))


def _show_alert(shown: ShownAlert) -> None:
    alert = shown.alert
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        states.show_badge(alert.severity, states.SEVERITY_COLORS)
        st.markdown(f"**{escaped(rule_word(alert.rule))}**", width="content")
        st.text(alert.subject, width="content")
    st.text(alert_message(alert))
    lasted = _seconds_since(alert.fired_at)
    if alert.resolved_at is not None:
        lasted = (alert.resolved_at - alert.fired_at).total_seconds()
    facts = [
        _("for {duration}, since {time}").format(duration=duration(lasted), time=escaped(shown_time(alert.fired_at))),
        escaped(compared(shown.kind, alert.value, alert.threshold)),
    ]
    st.caption(" · ".join(fact for fact in facts if fact))
    show_handling(shown)


def show_handling(shown: ShownAlert) -> None:
    """Shows who acknowledged an alert, and who silenced it."""
    alert = shown.alert
    if alert.acknowledged_at:
        text = _("Acknowledged by {actor} at {time}").format(
            actor=escaped(alert.acknowledged_by or ""), time=escaped(shown_time(alert.acknowledged_at))
        )
        st.caption(f":material/visibility: {text}")
    if shown.silence:
        text = _("Silenced until {time} by {actor}: {reason}").format(
            time=escaped(shown_time(shown.silence.until)),
            actor=escaped(shown.silence.actor),
            reason=escaped(shown.silence.reason) or _("no reason given"),
        )
        st.caption(f":material/notifications_off: {text}")


def show_silences(silences: Sequence[Silence], end: Callable[[Silence], None]) -> None:
    """Shows a card for each silence, with a button that calls `end`."""
    barred = lacking(Permission.ALERT_HANDLE, queue=EVERY, type_=EVERY)
    for silence in silences[:MAX_CARDS]:
        with st.container(border=True, gap="xsmall", key=f"silenced_{silence.id}"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.badge(_("silenced"), icon=":material/notifications_off:", color="gray")
                st.text(rule_word(silence.rule), width="content")
                st.text(_("about"), width="content")
                st.code(silence.subject, language=None, width="content")
            st.text(silence.reason or _("no reason given"))
            text = _("for another {duration}, until {time} · by {actor}").format(
                duration=duration(max(0.0, -_seconds_since(silence.until))),
                time=escaped(shown_time(silence.until)),
                actor=escaped(silence.actor),
            )
            st.caption(text)
            if st.button(
                _("End now"), icon=":material/notifications_active:", key=f"end_{silence.id}", **button(barred)
            ):
                end(silence)
    hidden = len(silences) - MAX_CARDS
    if hidden > 0:
        st.caption(ngettext("{count} more is not shown.", "{count} more are not shown.", hidden).format(count=hidden))


def _seconds_since(moment: datetime) -> float:
    return (base.now() - moment).total_seconds()
