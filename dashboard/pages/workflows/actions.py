"""Draws a viewer's actions on a whole workflow, each with a dialog that shows its effect."""

from __future__ import annotations

import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.core.edges import RetryScope
from taskyard.core.errors import TaskyardError
from taskyard.core.humanize import number
from taskyard.core.retry_outcome import RetryPreview
from taskyard.core.scheduling.retry_scope import MAX_TASKS
from taskyard.core.states import RETRYABLE_STATES, TERMINAL
from taskyard.core.workflows.states import OPEN, WorkflowState
from taskyard.dashboard.components.dialogs import MAX_ERROR_LENGTH, ask
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import button, lacking
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.task.retry_dialog import show_preview
from taskyard.dashboard.pages.workflows import data
from taskyard.dashboard.pages.workflows.data import SeenWorkflow

REQUESTED_KEY = "workflow_asked"


def show_actions(workflow: SeenWorkflow) -> None:
    """Shows a button for each action; those that its state or the viewer's role do not allow are disabled."""
    barred = lacking(Permission.TASK_OPERATE)
    if st.button(
        _("Retry"),
        icon=":material/replay:",
        key="workflow_retry",
        **button(
            barred,
            _("Runs failed and cancelled tasks again, with all that come after them."),
            # of a completed one, some may be cancelled because they were not needed
            disabled=workflow.state is WorkflowState.COMPLETED
            or not any(workflow.counts.get(state) for state in RETRYABLE_STATES),
        ),
    ):
        _ask("retry", workflow)
    if st.button(
        _("Cancel"),
        icon=":material/block:",
        key="workflow_cancel",
        **button(barred, _("Cancels all unfinished tasks, at once."), disabled=workflow.state not in OPEN),
    ):
        _ask("cancel", workflow)


def open_requested() -> None:
    """Opens the dialog that a button requested, outside of the section that refreshes itself."""
    asked, workflow = st.session_state.pop(REQUESTED_KEY, ("", None))
    if workflow is not None:
        {"retry": _ask_retry, "cancel": _ask_cancel}[asked](workflow)


def _ask(action: str, workflow: SeenWorkflow) -> None:
    st.session_state[REQUESTED_KEY] = (action, workflow)
    st.rerun()


def _ask_retry(workflow: SeenWorkflow) -> None:
    opened: list[RetryPreview | None] = []  # what is shown stays as it was when the dialog opened

    def fields() -> None:
        _show_which(workflow)
        try:
            if not opened:
                opened.append(data.preview_retry(workflow.id))
        except TaskyardError as error:
            st.error(escaped(translate(error), MAX_ERROR_LENGTH))
            return
        if opened[0] is None:
            text = _("More than {count} tasks run again: what failed or was cancelled, and all that comes after.")
            st.markdown(text.format(count=number(MAX_TASKS)))
        else:
            show_preview(opened[0], RetryScope.DOWNSTREAM)

    def act(answer: None, reason: str) -> str:
        count = data.retry(workflow.id, reason)
        return ngettext("{count} task runs again.", "{count} tasks run again.", count).format(count=number(count))

    ask(
        f"workflow_retry_{workflow.id}",
        _("Retry the workflow?"),
        fields,
        act,
        label=_("Retry"),
        is_reason_required=False,
        width="medium",
    )


def _ask_cancel(workflow: SeenWorkflow) -> None:
    left = sum(count for state, count in workflow.counts.items() if state not in TERMINAL)

    def fields() -> None:
        _show_which(workflow)
        text = ngettext("{count} unfinished task is cancelled.", "{count} unfinished tasks are cancelled.", left)
        st.markdown(text.format(count=number(left)))
        st.caption(_("Running ones are stopped, and what their handlers submitted is cancelled, too."))

    def act(answer: None, reason: str) -> str:
        count = data.cancel(workflow.id, reason)
        return ngettext("{count} task is cancelled.", "{count} tasks are cancelled.", count).format(count=number(count))

    ask(
        f"workflow_cancel_{workflow.id}",
        _("Cancel the workflow?"),
        fields,
        act,
        label=_("Cancel workflow"),
        is_reason_required=False,
    )


def _show_which(workflow: SeenWorkflow) -> None:
    st.markdown(f"**{escaped(workflow.title or workflow.name)}**")
    st.code(workflow.id, language=None)
