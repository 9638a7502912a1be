"""Draws tasks as a table: a click on an id opens one, rows can be selected."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from taskyard.core.models import Task
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.task_links import task_column
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.tasks.columns import COLUMNS, USUAL, cell, chosen_columns, column_settings, words_of

CLICK_KEY = "clicked_task"
SHOWN_KEY = "shown_tasks"
ROUND_KEY = "rounds_of_selection"
ROW_HEIGHT_PX = 24


def table_key(asked: str) -> str:
    """Returns the table's key for a search: another search gets another key, and so no selection."""
    text = f"{asked} {st.session_state.get(ROUND_KEY, 0)}"
    return f"tasks_{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def unselect() -> None:
    """Clears the selection from the next run of the page on."""
    st.session_state[ROUND_KEY] = st.session_state.get(ROUND_KEY, 0) + 1


def selected_ids(key: str) -> list[str]:
    """Returns the ids of the selected rows of the table with this key, in its last drawn content."""
    shown = st.session_state.get(SHOWN_KEY, {}).get(key, ())
    state = st.session_state.get(key)
    rows = state["selection"]["rows"] if state else []
    return [shown[row] for row in rows if row < len(shown)]


def shown_ids(key: str) -> tuple[str, ...]:
    """Returns the ids in the last drawn order of the table with this key."""
    return tuple(st.session_state.get(SHOWN_KEY, {}).get(key, ()))


def show_tasks(tasks: Sequence[Task], now: datetime, key: str) -> None:
    """Shows a table of tasks whose rows can be selected."""
    st.session_state[SHOWN_KEY] = {key: tuple(task.id for task in tasks)}
    names = chosen_columns()
    show_table(
        frame_of(tasks, now, names),
        alt=_("Tasks"),
        words=words_of(tasks, names),
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
        height="content",
        row_height=ROW_HEIGHT_PX,
        columns=column_settings(task_column([task.id for task in tasks], key=CLICK_KEY)),
    )


def frame_of(tasks: Sequence[Task], now: datetime, names: Sequence[str] = USUAL) -> pd.DataFrame:
    """Returns a frame with one row for each task."""
    rows = [{_(COLUMNS[name]): cell(name, task, shortened_id(task.id), now) for name in names} for task in tasks]
    frame = pd.DataFrame(rows, columns=[_(COLUMNS[name]) for name in names])
    numbers = {_(COLUMNS[name]): "float64" for name in ("run", "progress") if name in names}
    return frame.astype(numbers)
