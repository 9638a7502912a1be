"""Opens the dialogs that pause, resume, run, fill and remove schedules."""

from __future__ import annotations

from datetime import datetime, timedelta

import streamlit as st

from taskyard.core.errors import SubmissionError, TaskyardError
from taskyard.core.humanize import number
from taskyard.core.schedules.schedule import Schedule
from taskyard.core.schedules.what import Kind
from taskyard.dashboard.components.dialogs import ask
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import viewer_zone
from taskyard.dashboard.data.base import now
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.schedules import data
from taskyard.dashboard.pages.schedules.editor import DONE_KEY

MAX_ERROR_LENGTH = 500


def ask_to_switch(one: Schedule) -> None:
    """Opens the dialog that pauses or resumes a schedule."""
    is_enabled = not one.is_enabled
    title = _("Resume") if is_enabled else _("Pause")

    def fields() -> None:
        st.text(one.name)
        if is_enabled:
            st.caption(_("It fires again from now on; what would have fired meanwhile is not made up for."))
        else:
            st.caption(_("It does not fire until it is resumed. What runs goes on."))

    def act(_answer: None, reason: str) -> str:
        is_changed = data.switch(one.name, is_enabled=is_enabled, reason=reason)
        return (_("Resumed") if is_enabled else _("Paused")) if is_changed else _("No change")

    ask(f"switch_{one.name}", title, fields, act, label=title, is_reason_required=not is_enabled)


def ask_to_run(one: Schedule) -> None:
    """Opens the dialog that submits a schedule's task now."""

    def fields() -> None:
        st.text(one.name)
        st.caption(_("It submits now, beside its fire times and whatever runs."))

    def act(_answer: None, _reason: str) -> str:
        return _("Task submitted") if data.run(one.name) is Kind.TASK else _("Workflow submitted")

    ask(f"run_{one.name}", _("Run now"), fields, act, label=_("Run now"), has_reason=False)


def ask_to_remove(one: Schedule) -> None:
    """Opens the dialog that removes a schedule."""

    def fields() -> None:
        st.text(one.name)
        st.caption(_("The record of its fire times is removed, too. What it submitted stays."))

    def act(_answer: None, _reason: str) -> str:
        return _("Removed") if data.remove(one.name) else _("No change")

    ask(f"remove_{one.name}", _("Remove"), fields, act, label=_("Remove"), has_reason=False)


def ask_to_backfill(one: Schedule) -> None:
    """Opens the dialog that makes up for the fire times of a span, and counts them first."""

    @st.dialog(_("Backfill"))
    def dialog() -> None:
        st.text(one.name)
        st.caption(_("It submits for each fire time of the span that has submitted nothing."))
        zone = viewer_zone()
        until = now().astimezone(zone).replace(microsecond=0, tzinfo=None)
        low = st.datetime_input(_("From"), until - timedelta(days=1), key=f"backfill_from_{one.name}")
        high = st.datetime_input(_("To"), until, key=f"backfill_to_{one.name}")
        if not isinstance(low, datetime) or not isinstance(high, datetime):
            return
        span = low.replace(tzinfo=zone), min(high.replace(tzinfo=zone), now())
        try:
            counted = data.count_backfill(one.name, *span)
        except SubmissionError as error:
            st.error(escaped(translate(error), MAX_ERROR_LENGTH))
            return
        count = len(counted.to_submit)
        text = _count_text(one, count).format(count=number(count))
        before = _("{count} fire times have submitted theirs").format(count=number(counted.submitted_before))
        st.markdown(f"**{text}** · {before}")
        if not st.button(_("Submit"), type="primary", key="backfill_send", disabled=not count):
            return
        try:
            made = data.backfill(one.name, *span)
        except TaskyardError as error:
            st.error(escaped(translate(error), MAX_ERROR_LENGTH))
            return
        done = _done_text(one, made).format(count=number(made))
        st.session_state[DONE_KEY] = done
        st.rerun()

    dialog()


def _count_text(one: Schedule, count: int) -> str:
    if one.fields.what.kind is Kind.WORKFLOW:
        return ngettext("{count} workflow to submit", "{count} workflows to submit", count)
    return ngettext("{count} task to submit", "{count} tasks to submit", count)


def _done_text(one: Schedule, count: int) -> str:
    if one.fields.what.kind is Kind.WORKFLOW:
        return ngettext("{count} workflow will be submitted", "{count} workflows will be submitted", count)
    return ngettext("{count} task submitted", "{count} tasks submitted", count)
