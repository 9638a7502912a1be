"""Draws a task in a wide panel over a list, so that the list stays as it is: its filter, page, selection and scroll.

The task is the parameter `task` of the page's own address, so the browser's Back closes the panel.
"""

from __future__ import annotations

import streamlit as st

from taskyard.core.ids import parsed_id
from taskyard.dashboard.components import address
from taskyard.dashboard.components.markdown_escape import escaped, one_line
from taskyard.dashboard.i18n import _
from taskyard.dashboard.navigation import TASK
from taskyard.dashboard.pages.task import data
from taskyard.dashboard.pages.task.view import show_task

PARAMETER = "task"
OPENED_KEY = "panel_opened"  # by a click in a section, which draws only itself


def open_task(task_id: str) -> None:
    """Opens a task, or replaces the one that is open; for callbacks."""
    address.change(**{PARAMETER: task_id})
    st.session_state[OPENED_KEY] = True


def close() -> None:
    """Closes the panel."""
    address.change(**{PARAMETER: None})


def draw_if_opened() -> None:
    """Has the whole page drawn if a callback of this section has just opened a task."""
    if st.session_state.pop(OPENED_KEY, False):
        st.rerun()


def show_panel() -> None:
    """Shows the task that the page's address names, if it names one."""
    st.session_state.pop(OPENED_KEY, None)
    given = one_line(st.query_params.get(PARAMETER, "")).strip()
    if not given:
        return
    task_id = parsed_id(given)
    reading = data.details(task_id) if task_id is not None else None
    with st.container(key="task_panel", gap="small"):
        task = reading.value.task if reading is not None and reading.value is not None else None
        with st.container(horizontal=True, vertical_alignment="center", key="task_panel_head"):
            st.subheader(escaped(task.title or task.type) if task else _("Task"), width="stretch", anchor=False)
            if task is not None:
                st.page_link(
                    TASK.path, label=_("Open in full"), icon=":material/open_in_full:", query_params={"id": task.id}
                )
            st.button(_("Close"), icon=":material/close:", key="close_task", type="tertiary", on_click=close)
        if task_id is None:
            st.info(_("“{text}” is not a valid task ID").format(text=escaped(given)), icon=":material/search_off:")
        elif reading is None or (reading.value is None and not reading.problems):
            text = _("There is no task with the id {id}.")
            st.info(text.format(id=escaped(task_id)), icon=":material/search_off:")
        else:
            show_task(task_id, reading)
