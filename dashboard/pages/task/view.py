"""Draws one task with its whole history, on its own page and in a panel on other pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.core.errors import ErrorClass
from taskyard.core.humanize import number
from taskyard.core.models import AuditEvent
from taskyard.core.states import TERMINAL, TaskState
from taskyard.core.views.attempts import change_to, path_of
from taskyard.dashboard.components import task_facts
from taskyard.dashboard.components.dialogs import rerun_unless_open
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import lacking
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.navigation import FAILURES, TASKS, WORKFLOWS
from taskyard.dashboard.pages.task import actions, data
from taskyard.dashboard.pages.task.attempts_chart import show_attempts, show_timeline
from taskyard.dashboard.pages.task.parts import show_parts
from taskyard.dashboard.pages.task.questions import has_asked, show_asked
from taskyard.dashboard.pages.task.relatives import show_failures
from taskyard.dashboard.pages.task.state_diagram import in_words, show_diagram
from taskyard.dashboard.shell import frame

RUNNING_SECONDS, ENDED_SECONDS = 1.0, 5.0
CHART_WIDTH_PX = 420


def show_task(task_id: str, reading: Reading[data.Details | None]) -> None:
    """Shows a task, and keeps it up to date; `reading` is its first."""
    task = reading.value.task if reading.value else None
    seconds = ENDED_SECONDS if task is not None and task.state in TERMINAL else RUNNING_SECONDS
    attempts = [attempt.number for attempt in reading.value.attempts] if reading.value else []

    def show(details: data.Details | None) -> None:
        if details is not None and (task is None or [one.number for one in details.attempts] != attempts):
            rerun_unless_open()  # what is below knows too little
        show_head(details)

    frame.live("task", lambda: data.details(task_id), show, about=task_id, every_seconds=seconds)
    frame.live(
        "task_body",
        lambda: data.details(task_id),
        show_body,
        about=task_id,
        every_seconds=2 * seconds,
        shows_update_time=False,
        height_px=500,
    )
    if task is not None:
        show_parts(task_id, attempts, 2 * seconds)
    actions.open_requested()


def show_head(details: data.Details | None) -> None:
    """Shows the essentials: state, progress, what it waits for or failed with, and its actions."""
    if details is None:
        st.caption(_("The task has been deleted: it was older than the retention."))
        return
    task = details.task
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        task_facts.show_badges(task)
        st.text(task.type, width="content")
        st.code(task.id, language=None, width="content")
        if task.workflow_id and task.workflow_key:
            st.page_link(
                WORKFLOWS.path,
                label=escaped(task.workflow_key),
                icon=":material/account_tree:",
                query_params={"workflow": task.workflow_id},
                help=_("Its key in its workflow; opens the workflow"),
            )
    task_facts.show_progress(task, details.now)
    actions.show_actions(task)
    if details.why is not None:
        task_facts.show_why(details.why)
    elif details.why_problem:
        st.caption(escaped(translate(details.why_problem)))
    if task.error and task.state is TaskState.CANCELLED and task.error.get("class") == ErrorClass.CANCELLED:
        show_cancelled(task.error, details.events)
    elif task.error:
        show_error(task.error, task.id)
    if has_asked(details.events):
        show_asked(data.asked(task.id).value or ())


def show_cancelled(error: Mapping[str, object], events: Sequence[AuditEvent]) -> None:
    """Shows who cancelled it, when and why: that is no error."""
    event = change_to(TaskState.CANCELLED, events)
    with st.container(border=True, gap="small", key="cancelled"):
        if event is not None:
            text = _("Cancelled by {who}, {time}").format(who=escaped(event.actor), time=escaped(shown_time(event.at)))
            st.markdown(f":material/block: {text}")
        st.code(str(error.get("message") or ""), language=None, wrap_lines=True)


def show_error(error: dict[str, object], task_id: str) -> None:
    """Shows its last error, and how many other tasks failed with it."""
    mark = str(error.get("fingerprint") or "")
    with st.container(border=True, gap="small", key="error"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(escaped(str(error.get("class") or _("unknown"))), color="red", icon=":material/error:")
            st.text(_("Last error"), width="content")
        st.code(str(error.get("message") or ""), language=None, wrap_lines=True)
        if hidden := lacking(Permission.PAYLOAD_READ):
            st.caption(hidden)
            error = {**error, "traceback": ""}
        traceback = str(error.get("traceback") or "")
        if traceback:
            with st.expander(_("Traceback")):
                st.code(traceback, language=None, wrap_lines=True, height=320)
        if mark:
            show_similar(mark, task_id)


def show_similar(mark: str, task_id: str) -> None:
    """Shows similar failures: their number, a link to all of them, and the newest others."""
    found = data.similar(mark, task_id).value
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if found is not None:
            count = number(found.count, is_exact=found.is_exact)
            text = ngettext("{count} task failed with this error", "{count} tasks failed with this error", found.count)
            st.text(text.format(count=count), width="content")
        st.page_link(
            TASKS.path,
            label=_("View tasks"),
            icon=":material/list:",
            query_params={"fingerprint": mark},
        )
        st.page_link(
            FAILURES.path,
            label=_("Error group"),
            icon=":material/error:",
            query_params={"group": mark},
        )
    if found is not None and found.newest:
        with st.expander(_("Other recent failures")):
            show_failures(found.newest)


def show_body(details: data.Details | None) -> None:
    """Shows its facts and its attempts."""
    if details is None:
        return
    task = details.task
    path = path_of(details.events)
    task_facts.show_facts(task, details.prediction)
    with st.grid(2, min_column_width=CHART_WIDTH_PX):
        show_diagram(path, task.state)
        show_timeline(details.attempts, details.now)
    st.caption(in_words(path))
    show_attempts(details.attempts, details.now)
