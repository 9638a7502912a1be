"""The newest tasks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pandas as pd
import streamlit as st

from core.models import Task
from dashboard.components import states
from dashboard.components.times import time_column
from dashboard.data import Snapshot

TASK_KEY = "task"  # of the field with the opened task's id, and in the page's address
CLICK_KEY = "clicked_task"
# The last group of a UUIDv7 is random; its first groups are the time, alike for neighbours.
SHORT_ID_LENGTH = 12


def show_tasks(snapshot: Snapshot) -> str:
    """A table of the newest tasks and a field for any other; returns the id of the opened one, or ''."""
    st.subheader("Newest tasks")
    ids = {short_id(task.id): task.id for task in snapshot.tasks}
    st.dataframe(
        tasks_frame(snapshot.tasks, snapshot.as_of),
        hide_index=True,
        placeholder="",
        alt="The newest tasks, newest first",
        column_config={
            "Task": st.column_config.ButtonColumn(
                alignment="left",
                pinned=True,
                width=135,
                help="Opens the task below",
                on_click=_open_clicked,
                args=(ids,),
                key=CLICK_KEY,
            ),
            "State": states.state_column(),
            "Title": st.column_config.TextColumn(width="medium"),
            "Created": time_column("Created"),
            "Duration": st.column_config.NumberColumn(format="%.2f s", help="From the start of the last attempt"),
        },
    )
    opened = st.text_input(
        "Open a task",
        key=TASK_KEY,
        bind="query-params",
        type="search",
        placeholder="Click one above, or paste its id",
        width=400,
    )
    return (opened or "").strip()


def short_id(task_id: str) -> str:
    """Enough of an id to tell a task from those around it."""
    return task_id[-SHORT_ID_LENGTH:]


def tasks_frame(tasks: list[Task], as_of: datetime) -> pd.DataFrame:
    """One row for each task."""
    rows = [
        {
            "Task": short_id(task.id),
            "State": [states.label(task.state)],
            "Title": task.title or "",
            "Type": task.type,
            "Priority": task.priority.label,
            "Attempts": f"{task.attempt - task.refunded} of {task.max_attempts}",
            "Agent": agent_name(task.assigned_agent_id),
            "Created": task.created_at,
            "Duration": run_seconds(task, as_of),
        }
        for task in tasks
    ]
    return pd.DataFrame(rows).astype({"Duration": "float64"})


def agent_name(agent_id: str | None) -> str:
    """The name in an agent's id, which is name:boot."""
    return agent_id.rpartition(":")[0] if agent_id else ""


def run_seconds(task: Task, as_of: datetime) -> float | None:
    """How long the last attempt ran or has run; None if it has not started."""
    if task.started_at is None:
        return None
    return max(0.0, ((task.finished_at or as_of) - task.started_at).total_seconds())


def _open_clicked(ids: Mapping[str, str]) -> None:
    # By its label and not its row: new tasks may have moved the rows since they were drawn.
    task_id = ids.get(st.session_state[CLICK_KEY].label)
    if task_id is not None:
        st.session_state[TASK_KEY] = task_id
