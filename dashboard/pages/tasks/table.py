"""Draws tasks as a table: a click on an id opens one, rows can be selected."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from taskyard.core.models import Task
from taskyard.core.views.attempts import name_of
from taskyard.dashboard.components.markdown_escape import one_line
from taskyard.dashboard.components.states import PRIORITY_COLORS, STATE_COLORS, badge_column, word
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.times import time_column
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.task.panel import open_task

CLICK_KEY = "clicked_task"
SHOWN_KEY = "shown_tasks"
ROUND_KEY = "rounds_of_selection"
MAX_TITLE_LENGTH = 200


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
    ids = {shortened_id(task.id): task.id for task in tasks}
    seconds = st.column_config.NumberColumn(_("Run time"), format=_("%.2f s"), width=95, help=_("Of the last attempt"))
    show_table(
        frame_of(tasks, now),
        alt=_("Tasks"),
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
        height="content",
        columns={
            _("Task"): st.column_config.ButtonColumn(
                _("Task"),
                alignment="left",
                pinned=True,
                width=125,
                type="tertiary",
                help=_("End of the task id; opens the task"),
                on_click=open_clicked,
                args=(ids,),
                key=CLICK_KEY,
            ),
            _("State"): badge_column(_("State"), STATE_COLORS),
            _("Title"): st.column_config.TextColumn(_("Title"), width="medium"),
            _("Priority"): badge_column(_("Priority"), PRIORITY_COLORS, width=75),
            _("Agent"): st.column_config.TextColumn(_("Agent"), width=90),
            _("Submitted at"): time_column(_("Submitted at")),
            _("Run time"): seconds,
            _("Progress"): st.column_config.ProgressColumn(
                _("Progress"), format="percent", min_value=0, max_value=1, width=90
            ),
        },
    )


def open_clicked(ids: Mapping[str, str]) -> None:
    """Opens the task whose button was clicked: by its label, since rows may have moved since they were drawn."""
    task_id = ids.get(st.session_state[CLICK_KEY]["label"])
    if task_id is not None:
        open_task(task_id)


def frame_of(tasks: Sequence[Task], now: datetime) -> pd.DataFrame:
    """Returns a frame with one row for each task."""
    rows = [
        {
            _("Task"): shortened_id(task.id),
            _("State"): [word(task.state)],
            _("Type"): task.type,
            _("Title"): one_line(task.title or "", MAX_TITLE_LENGTH),
            _("Queue"): task.queue,
            _("Priority"): [word(task.priority.label)],
            _("Attempts"): _("{used} of {most}").format(used=task.attempt - task.refunded, most=task.max_attempts),
            _("Agent"): name_of(task.assigned_agent_id),
            _("Submitted at"): task.created_at,
            _("Run time"): run_seconds(task, now),
            _("Progress"): task.progress if task.finished_at is None else None,
            _("Error"): word(str((task.error or {}).get("class") or "")),
            _("Submitted by"): one_line(task.created_by),
        }
        for task in tasks
    ]
    return pd.DataFrame(rows).astype({_("Run time"): "float64", _("Progress"): "float64"})


def run_seconds(task: Task, now: datetime) -> float | None:
    """Returns how long the last attempt ran or has run, in seconds; None if it has not started."""
    if task.started_at is None:
        return None
    return max(0.0, ((task.finished_at or now) - task.started_at).total_seconds())
