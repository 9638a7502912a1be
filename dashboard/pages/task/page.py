"""Draws one task with its whole history."""

import streamlit as st

from taskyard.core.ids import parsed_id
from taskyard.dashboard.components.dialogs import tell
from taskyard.dashboard.components.markdown_escape import escaped, one_line
from taskyard.dashboard.i18n import _
from taskyard.dashboard.navigation import TASKS
from taskyard.dashboard.pages.task import data
from taskyard.dashboard.pages.task.view import show_task
from taskyard.dashboard.shell import frame


def show_door(text: str, problem: str) -> None:
    """Shows the reason for a missing task, and a field to open one."""
    frame.header(_("Task"))
    if problem:
        st.info(problem, icon=":material/search_off:")
    with st.form("open", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        typed = st.text_input(_("Open a task by its id"), value=text, placeholder=_("Paste its id"), width=420)
        is_sent = st.form_submit_button(_("Open"), icon=":material/arrow_forward:", key="open_task")
    if is_sent and typed.strip():
        st.query_params["id"] = typed.strip()
        st.rerun()
    if text:
        st.page_link(
            TASKS.path,
            label=_("Search for it in all tasks"),
            icon=":material/search:",
            query_params={"text": text},
        )
    st.page_link(TASKS.path, label=_("All tasks"), icon=":material/list:")


def show_page() -> None:
    """Shows the task named in the address."""
    given = one_line(str(st.query_params.get("id") or ""))
    task_id = parsed_id(given.strip())
    if task_id is None:
        show_door(given, _("“{text}” is not a valid task ID").format(text=escaped(given)) if given else "")
        return
    reading = data.details(task_id)
    if reading.value is None and not reading.problems:
        show_door(given, _("There is no task with the id {id}.").format(id=escaped(task_id)))
        return
    task = reading.value.task if reading.value else None
    frame.header(escaped(task.title or task.type) if task else _("Task"))
    tell()
    show_task(task_id, reading)


show_page()
