"""Opens the dialogs of alerts and silences.

A button in a live section only requests one: the dialog belongs to the whole page, which outlives a refresh.
"""

from __future__ import annotations

import glob
from typing import Any

import streamlit as st

from taskyard.core.alerts.runbook import runbook
from taskyard.core.humanize import number
from taskyard.core.postgres.store.alerts import Silence
from taskyard.core.views.alert_groups import AlertGroup
from taskyard.dashboard.components.alert_values import rule_word
from taskyard.dashboard.components.dialogs import ask, show_page
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _, is_english, labelled, ngettext
from taskyard.dashboard.pages.alerts import data
from taskyard.dashboard.pages.alerts.groups import subjects_of

DURATIONS_SECONDS = (1800, 3600, 4 * 3600, 86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400)
HOUR_AT = 1  # in these
REQUESTED_KEY = "alerts_asked"
ALERT = "alert"  # in the address


def ask_later(what: str, about: Any = None) -> None:
    """Makes the whole page open a dialog, or an alert; for a card's button."""
    if what == "open":
        st.query_params[ALERT] = about.alert.id
    else:
        st.session_state[REQUESTED_KEY] = (what, about)
    st.rerun()


def close_alert() -> None:
    """Goes from one alert back to all; for a button's callback."""
    st.query_params.pop(ALERT, None)


def open_dialog() -> None:
    """Opens the dialog that a button requested, if one did."""
    what, about = st.session_state.pop(REQUESTED_KEY, (None, None))
    if what == "acknowledge":
        ask_to_acknowledge(about)
    elif what == "acknowledge_group":
        ask_to_acknowledge_group(about)
    elif what == "silence":
        ask_to_silence(glob.escape(about.alert.rule), glob.escape(about.alert.subject))
    elif what == "silence_group":
        ask_to_silence(glob.escape(about.rule), "*")
    elif what == "new":
        ask_to_silence("", "")
    elif what == "end":
        ask_to_end(about)
    elif what == "runbook":
        note = "" if is_english() else _("Runbooks are in English only.")
        show_page(_("Runbook"), runbook(about.kind, about.alert.subject) or "", note)


def ask_to_acknowledge(shown: data.ShownAlert) -> None:
    """Asks for the reason, and acknowledges one alert."""

    def fields() -> None:
        st.text(labelled(rule_word(shown.alert.rule), shown.alert.subject))
        st.caption(_("Shows other operators that you are handling it. It resolves by itself when its condition ends."))

    def act(_answer: None, reason: str) -> str:
        is_changed = data.acknowledge(shown.alert.id, reason)
        return _("Acknowledged") if is_changed else _("No change: the alert was no longer firing")

    ask(f"ack_{shown.alert.id}", _("Acknowledge an alert"), fields, act, label=_("Acknowledge"))


def ask_to_acknowledge_group(group: AlertGroup) -> None:
    """Asks for the reason, and acknowledges the alerts of a group that were firing when the dialog opened."""
    ids = [shown.alert.id for shown in group.firing]
    text = ngettext("Acknowledge {count} alert", "Acknowledge {count} alerts", len(ids)).format(count=number(len(ids)))

    def fields() -> None:
        st.text(labelled(rule_word(group.rule), subjects_of(group)))
        st.caption(
            _(
                "Shows other operators that you are handling them. Each resolves by itself when its condition ends; "
                "alerts that fire from now on are not acknowledged."
            )
        )

    def act(_answer: None, reason: str) -> str:
        count = data.acknowledge_many(ids, reason)
        return ngettext("{count} alert acknowledged", "{count} alerts acknowledged", count).format(count=number(count))

    ask(f"ack_all_{group.rule}", text, fields, act, label=text)


def ask_to_silence(rule: str, subject: str) -> None:
    """Asks what to silence and for how long. Empty patterns leave all of that to be typed, the end to be chosen."""
    name, is_new = f"silence_{rule}_{subject}", not rule

    def fields() -> tuple[str, str, int | None, str]:
        st.caption(
            _(
                "Matching alerts send no notifications. They are still recorded, "
                "and those still firing when the silence ends are sent then."
            )
        )
        chosen_rule = st.text_input(
            _("Rule"),
            rule,
            max_chars=data.MAX_PATTERN_LENGTH,
            key=f"{name}_rule",
            placeholder=_("Name or title of a rule"),
            help=_("`*` matches anything."),
        )
        chosen_subject = st.text_input(
            _("Subject"),
            subject,
            max_chars=data.MAX_PATTERN_LENGTH,
            key=f"{name}_subject",
            placeholder=_("A queue, type, agent or host; * for all of the rule"),
            help=_("`*` matches anything, `?` one character."),
        )
        seconds = st.selectbox(
            _("For"),
            DURATIONS_SECONDS,
            index=None if is_new else HOUR_AT,
            format_func=duration,
            key=f"{name}_seconds",
            placeholder=_("Choose how long"),
        )
        confirm = _ask_to_confirm(name, chosen_rule or "", chosen_subject or "")
        return chosen_rule or "", chosen_subject or "", seconds, confirm

    def act(answer: tuple[str, str, int | None, str], reason: str) -> str:
        chosen_rule, chosen_subject, seconds, confirm = answer
        made = data.silence(chosen_rule, chosen_subject, seconds, reason, confirm)
        return _("Silenced until {time}").format(time=escaped(shown_time(made.until)))

    ask(name, _("Silence alerts"), fields, act, label=_("Silence"))


def _ask_to_confirm(name: str, rule: str, subject: str) -> str:
    """Asks for the word without which nobody silences everything, once the patterns match that."""
    if not data.silences_everything(rule, subject):
        return ""
    st.warning(_("This silences every alert of every rule."), icon=":material/warning:")
    word = st.text_input(
        _("Type {word} to confirm").format(word=f"`{data.EVERYTHING}`"),
        max_chars=2 * len(data.EVERYTHING),
        key=f"{name}_confirm",
    )
    return word or ""


def ask_to_end(silence: Silence) -> None:
    """Asks whether to end a silence."""

    def fields() -> None:
        st.text(labelled(silence.rule, silence.subject))
        st.caption(_("Matching alerts that still fire are sent at once."))

    def act(_answer: None, _reason: str) -> str:
        is_changed = data.end_silence(silence.id)
        return _("Silence ended") if is_changed else _("The silence had already ended")

    ask(f"end_{silence.id}", _("End a silence"), fields, act, label=_("End silence"), has_reason=False)
