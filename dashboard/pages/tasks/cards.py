"""Draws tasks as cards, for phones: a tap opens one, and its box selects it as a row of the table is selected."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from taskyard.core.models import Task
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.states import STATE_COLORS, word
from taskyard.dashboard.components.task_links import open_task
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.tasks.columns import error_of, title_of
from taskyard.dashboard.pages.tasks.selection import box_key

MAX_LENGTH = 90


def show_cards(tasks: Sequence[Task], now: datetime, key: str) -> None:
    """Shows a card for each task, with a box that selects it in the list with this key."""
    with st.container(gap="xsmall", key="task_cards"):
        for task in tasks:
            with st.container(
                horizontal=True, wrap=False, vertical_alignment="center", gap="xsmall", key=f"card_row_{task.id}"
            ):
                name = _("Select {task}").format(task=escaped(title_of(task), MAX_LENGTH))
                st.checkbox(name, key=box_key(key, task.id), label_visibility="collapsed", width="content")
                st.button(
                    card_of(task, now), key=f"card_{task.id}", width="stretch", on_click=open_task, args=(task.id,)
                )


def card_of(task: Task, now: datetime) -> str:
    """Returns what a card says, as Markdown: state and title, then error or queue, then the age."""
    age = _("{age} ago").format(age=duration(max(0.0, (now - task.created_at).total_seconds()), is_short=True))
    color = STATE_COLORS.get(task.state, "gray")
    detail = error_of(task) or task.queue
    head = f":{color}-badge[{escaped(word(task.state))}] **{escaped(title_of(task), MAX_LENGTH)}**"
    return f"{head} — {escaped(detail, MAX_LENGTH)} · {age}"
