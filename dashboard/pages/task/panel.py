"""Draws a task in a wide panel over another page, which stays as it is: its filter, place, selection and scroll.

What opens and closes it is in dashboard.components.task_links.
"""

from __future__ import annotations

import streamlit as st

from taskyard.core.ids import parsed_id
from taskyard.dashboard.components.dialogs import tell
from taskyard.dashboard.components.markdown_escape import escaped, one_line
from taskyard.dashboard.components.task_links import close_task
from taskyard.dashboard.i18n import _
from taskyard.dashboard.navigation import PANEL_TASK, TASK
from taskyard.dashboard.pages.task import data
from taskyard.dashboard.pages.task.view import show_task


def show_panel() -> None:
    """Shows the task that the page's address names, if it names one."""
    given = one_line(st.query_params.get(PANEL_TASK, "")).strip()
    if not given:
        return
    tell()
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
            st.button(_("Close"), icon=":material/close:", key="close_task", type="tertiary", on_click=close_task)
        if task_id is None:
            st.info(_("“{text}” is not a valid task ID").format(text=escaped(given)), icon=":material/search_off:")
        elif reading is None or (reading.value is None and not reading.problems):
            text = _("There is no task with the id {id}.")
            st.info(text.format(id=escaped(task_id)), icon=":material/search_off:")
        else:
            show_task(task_id, reading)
