"""Leads to a task from any page: it opens in a wide panel over the page, which stays as it is.

The task is a parameter of the page's own address, so the browser's Back closes the panel. The page of a task has no
panel: there, another task takes the place of the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

from taskyard.dashboard.components import address
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.i18n import _
from taskyard.dashboard.navigation import IN_A_TASK, PANEL_TASK

OWN_PAGE = "id"  # the parameter of the page of a task
OPENED_KEY = "whole_page_asked"  # by a click in a section, which draws only itself


def open_task(task_id: str) -> None:
    """Opens a task, or replaces the one that is open; for callbacks."""
    parameter = PANEL_TASK if address.is_known(PANEL_TASK) else OWN_PAGE
    go(**{**dict.fromkeys(IN_A_TASK), parameter: task_id})


def go(**changes: str | None) -> None:
    """Changes the page's address and has the whole page drawn; for callbacks in sections that refresh themselves."""
    address.change(**changes)
    st.session_state[OPENED_KEY] = True


def close_task() -> None:
    """Closes the panel."""
    address.change(**without_task())


def without_task(**changes: str | None) -> dict[str, str | None]:
    """Returns changes of the address that close the panel, too."""
    return {**dict.fromkeys((PANEL_TASK, *IN_A_TASK)), **changes}


def forget_opened() -> None:
    """Notes that the whole page is drawn, with what a click in a section asked for."""
    st.session_state.pop(OPENED_KEY, None)


def draw_if_opened() -> None:
    """Has the whole page drawn if a callback of this section has just changed its address."""
    if st.session_state.pop(OPENED_KEY, False):
        st.rerun()


def task_button(task_id: str, label: str, *, key: str, icon: str | None = None, **options: Any) -> None:
    """Draws a button that opens a task; `label` is Markdown."""
    st.button(label, key=key, icon=icon, **{"type": "tertiary", "on_click": open_task, "args": (task_id,), **options})


def task_column(ids: Iterable[str | None], *, key: str, label: str = "", **options: Any) -> Any:
    """Returns a column of buttons that open tasks; its cells are the `shortened_id` of some of `ids`."""
    return st.column_config.ButtonColumn(
        label or _("Task"),
        key=key,
        on_click=_open_clicked,
        args=(key, {shortened_id(task_id): task_id for task_id in ids if task_id}),
        **{
            "type": "tertiary",
            "alignment": "left",
            "width": 112,
            "help": _("End of the task id; opens the task"),
            **options,
        },
    )


def _open_clicked(key: str, ids: Mapping[str, str]) -> None:
    """Opens the task whose button was clicked: by its label, since rows may have moved since they were drawn."""
    click = st.session_state[key]
    task_id = ids.get(click["label"]) if click else None
    if task_id is not None:
        open_task(task_id)
