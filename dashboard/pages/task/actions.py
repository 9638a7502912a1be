"""Draws a viewer's actions on one task, each with a dialog."""

from __future__ import annotations

import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.core.errors import TaskyardError
from taskyard.core.humanize import number
from taskyard.core.models import Task
from taskyard.core.states import CANCELLABLE, REPRIORITISABLE, RETRYABLE_STATES
from taskyard.dashboard import navigation
from taskyard.dashboard.components.dialogs import MAX_ERROR_LENGTH, ask
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import button, lacking
from taskyard.dashboard.components.states import PRIORITIES, word
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.task import data
from taskyard.dashboard.pages.task.retry_dialog import ask_retry, show_which

REQUESTED_KEY = "task_asked"


def show_actions(task: Task) -> None:
    """Shows a button for each action; those that the task's state or the viewer's role do not allow are disabled."""
    barred = lacking(Permission.TASK_OPERATE, queue=task.queue, type_=task.type)
    with st.container(horizontal=True, gap="small"):
        if st.button(
            _("Retry"),
            icon=":material/replay:",
            key="retry",
            **button(
                barred or (lacking(Permission.CODE_SUBMIT) if data.is_guarded(task.type) else ""),
                _("Failed and cancelled tasks can be retried; their attempts are reset."),
                disabled=task.state not in RETRYABLE_STATES,
            ),
        ):
            _ask("retry", task)
        if st.button(
            _("Cancel"),
            icon=":material/block:",
            key="cancel",
            **button(
                barred,
                _("Unfinished tasks can be cancelled, at once. Cancelled ones can be retried."),
                disabled=task.state not in CANCELLABLE,
            ),
        ):
            _ask("cancel", task)
        if st.button(
            _("Priority"),
            icon=":material/priority_high:",
            key="priority",
            **button(
                barred,
                _("The priority can be changed until an agent has the task."),
                disabled=task.state not in REPRIORITISABLE,
            ),
        ):
            _ask("priority", task)
        if st.button(
            _("Duplicate and edit"),
            icon=":material/content_copy:",
            key="duplicate",
            **button(
                lacking(Permission.PAYLOAD_READ) or lacking(Permission.TASK_SUBMIT, queue=task.queue, type_=task.type),
                _("Opens the form with this task's input and options."),
            ),
        ):
            st.switch_page(navigation.SUBMIT.path, query_params={"copy": task.id})


def open_requested() -> None:
    """Opens the dialog that a button requested, outside of the section that refreshes itself."""
    asked, task = st.session_state.pop(REQUESTED_KEY, ("", None))
    if task is not None:
        {"retry": ask_retry, "cancel": _ask_cancel, "priority": _ask_priority}[asked](task)


def _ask(action: str, task: Task) -> None:
    st.session_state[REQUESTED_KEY] = (action, task)
    st.rerun()


def _ask_cancel(task: Task) -> None:
    def fields() -> bool:
        show_which(task)
        st.markdown(_("The task ends at once and is stopped if it runs. Tasks that depend on it are cancelled, too."))
        try:
            count = data.count_open_below(task.id)
        except TaskyardError as error:
            st.error(escaped(translate(error), MAX_ERROR_LENGTH))
            return False
        if not count:
            return False
        text = ngettext(
            "Also cancel the {count} unfinished task that it submitted",
            "Also cancel the {count} unfinished tasks that it or its children submitted",
            count,
        )
        return st.checkbox(text.format(count=number(count)), key=f"ask_tree_{task.id}", help=_("Otherwise they go on."))

    def act(is_tree: bool, reason: str) -> str:
        if not is_tree:
            data.cancel(task.id, reason)
            return _("The task is cancelled.")
        count = data.cancel_tree(task.id, reason)
        text = ngettext(
            "The task is cancelled, and {count} that it submitted.",
            "The task is cancelled, and {count} that it or its children submitted.",
            count,
        )
        return text.format(count=number(count))

    ask(f"cancel_{task.id}", _("Cancel the task?"), fields, act, label=_("Cancel task"), is_reason_required=False)


def _ask_priority(task: Task) -> None:
    def fields() -> str:
        show_which(task)
        chosen = st.segmented_control(
            _("Priority"),
            PRIORITIES,
            default=task.priority.label,
            required=True,
            format_func=word,
            key=f"ask_priority_{task.id}",
        )
        return chosen or task.priority.label

    def act(priority: str, reason: str) -> str:
        data.reprioritise(task.id, priority, reason)
        return _("The priority is {priority} now.").format(priority=word(priority))

    ask(
        f"priority_{task.id}",
        _("Change the priority?"),
        fields,
        act,
        label=_("Change the priority"),
        is_reason_required=False,
    )
