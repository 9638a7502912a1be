"""Asks how far the retry of a task goes, and lists what runs again."""

from __future__ import annotations

import streamlit as st

from taskyard.core.edges import RetryScope
from taskyard.core.errors import TaskyardError
from taskyard.core.humanize import number
from taskyard.core.models import Task
from taskyard.core.payload.typed_text import MAX_REASON_LENGTH
from taskyard.core.retry_outcome import LeftOut, RetryPreview
from taskyard.dashboard.components.dialogs import MAX_ERROR_LENGTH, close_with, opened
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.retry_table import SCOPES, pick_scope, show_again
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.task import data

LEFT_OUT_SHOWN = 5


def ask_retry(task: Task) -> None:
    """Opens the dialog. What it lists is as it was when the scope was chosen."""
    seen: dict[str, RetryPreview | TaskyardError] = {}
    has_neighbours = data.has_neighbours(task.id)

    def dialog() -> None:
        show_which(task)
        scope = pick_scope(f"retry_scope_{task.id}") if has_neighbours else RetryScope.THIS
        if scope not in seen:
            try:
                seen[scope] = data.preview_retry(task.id, scope)
            except TaskyardError as error:
                seen[scope] = error
        found = seen[scope]
        if isinstance(found, TaskyardError):
            st.error(escaped(translate(found), MAX_ERROR_LENGTH))
            return
        show_preview(found, scope)
        with st.form(f"ask_retry_{task.id}", border=False):
            reason = st.text_input(
                _("Reason"),
                max_chars=MAX_REASON_LENGTH,
                key=f"ask_reason_retry_{task.id}",
                help=_("Kept in the audit log."),
                placeholder=_("optional"),
            )
            is_sent = st.form_submit_button(_label(found), type="primary", key=f"ask_send_retry_{task.id}")
        if not is_sent:
            return
        try:
            done = data.retry(task.id, (reason or "").strip(), scope)
        except TaskyardError as error:
            st.error(escaped(translate(error), MAX_ERROR_LENGTH))
            return
        text = ngettext("The task is pending again.", "{count} tasks run again.", done.tasks)
        close_with(text.format(count=number(done.tasks)))

    opened(_("Retry the task?"), dialog, width="medium" if has_neighbours else "small")


def show_which(task: Task) -> None:
    """Shows which task a dialog is about."""
    st.markdown(f"**{escaped(task.title or task.type)}**")
    st.code(task.id, language=None)


def show_preview(found: RetryPreview, scope: str) -> None:
    """Shows what a retry does, and what it leaves as it is."""
    if scope == RetryScope.THIS:
        st.markdown(_("The task returns to pending and its attempts are reset. Its history is kept."))
    else:
        text = ngettext("{count} task runs again:", "{count} tasks run again:", found.count)
        st.markdown(text.format(count=number(found.count)))
        show_again(found.tasks, found.count)
    if found.cancelled_below:
        text = ngettext(
            "{count} task after it stays cancelled. The scope “{scope}” retries it as well.",
            "{count} tasks after it stay cancelled. The scope “{scope}” retries them as well.",
            found.cancelled_below,
        )
        st.warning(text.format(count=number(found.cancelled_below), scope=_(SCOPES[RetryScope.DOWNSTREAM])))
    for left in found.left_out[:LEFT_OUT_SHOWN]:
        st.caption(_left_out(left))
    if found.left_out_count > LEFT_OUT_SHOWN:
        st.caption(_("and {count} more").format(count=number(found.left_out_count - LEFT_OUT_SHOWN)))


def _left_out(left: LeftOut) -> str:
    name = f"{left.key or left.title or left.type} {shortened_id(left.id)}"
    if left.parent_state is None:
        text = _("{task} stays {state}: task {parent}, which it depends on, no longer exists")
    else:
        text = _("{task} stays {state}: it depends on task {parent}, which is {parent_state}")
    return escaped(
        text.format(
            task=name,
            state=word(left.state),
            parent=shortened_id(left.parent_id),
            parent_state=word(left.parent_state or ""),
        ),
        300,
    )


def _label(found: RetryPreview) -> str:
    if found.count == 1:
        return _("Retry")
    return ngettext("Retry {count} task", "Retry {count} tasks", found.count).format(count=number(found.count))
