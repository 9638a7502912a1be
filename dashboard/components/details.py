"""One task: what it is, how it went, what went in and came out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import shortened
from core.models import AuditEvent, Task
from core.states import TERMINAL
from dashboard.components import states
from dashboard.components.tasks import TASK_KEY, agent_name, run_seconds
from dashboard.components.times import duration, shown_time, time_column
from dashboard.data import Details

JSON_LIMIT = 50_000  # characters that are sent to the browser
HISTORY_LIMIT = 500
CELL_WIDTH_PX = 140


def show_details(task_id: str, details: Details | None, as_of: datetime) -> None:
    """One task; says so if there is none with this id."""
    with st.container(border=True, key="details"):
        if details is None:
            st.text(f"There is no task {shortened(task_id)}.")
            return
        task = details.task
        with st.container(horizontal=True, vertical_alignment="center"):
            states.show_badge(task.state)
            st.text(task.title or task.type, width="stretch")
            st.button("Close", icon=":material/close:", type="tertiary", on_click=_close)
        st.code(task.id, language=None, width="content")
        _show_facts(task, as_of)
        if task.progress is not None and task.state not in TERMINAL:
            st.progress(min(1.0, max(0.0, task.progress)))
            st.text(task.progress_message or "")
        if task.error:
            st.caption(f"Last error, of class {task.error.get('class', 'unknown')}")
            st.code(str(task.error.get("message", "")), language=None, wrap_lines=True)
        history, given, result, error = st.tabs(["History", "Input", "Output", "Error"], key="parts")
        with history:
            _show_history(details.events)
        with given:
            _show_json(task.input, "The input is null.")
        with result:
            _show_json(task.output, "No output yet." if task.state not in TERMINAL else "No output.")
        with error:
            _show_error(task.error)


def _show_facts(task: Task, as_of: datetime) -> None:
    seconds = run_seconds(task, as_of)
    facts = {
        "Type": task.type,
        "Queue": task.queue,
        "Priority": task.priority.label,
        "Attempts": f"{task.attempt - task.refunded} of {task.max_attempts}",
        "Agent": agent_name(task.assigned_agent_id),
        "Needs tags": ", ".join(task.requires),
        "Submitted by": task.created_by,
        "Created": shown_time(task.created_at),
        "Due": shown_time(task.run_at) if task.run_at else "",
        "Finished": shown_time(task.finished_at) if task.finished_at else "",
        "Duration": duration(seconds) if seconds is not None else "",
        "Timeout": duration(task.timeout_seconds),
    }
    with st.grid(min_column_width=CELL_WIDTH_PX):
        for name, value in facts.items():
            if value:
                with st.container(gap=None):
                    st.caption(name)
                    st.text(value)


def _show_history(events: Sequence[AuditEvent]) -> None:
    if len(events) > HISTORY_LIMIT:
        st.caption(f"The last {HISTORY_LIMIT} of {len(events):,} events.")
    st.dataframe(
        history_frame(events[-HISTORY_LIMIT:]),
        hide_index=True,
        placeholder="",
        alt="The task's history, oldest first",
        column_config={"At": time_column("At"), "Detail": st.column_config.TextColumn(width="large")},
    )


def history_frame(events: Sequence[AuditEvent]) -> pd.DataFrame:
    """One row for each event."""
    rows = [
        {
            "At": event.at,
            "Event": event.event,
            "State": states.label(event.to_state or ""),
            "Attempt": event.attempt,
            "Actor": event.actor,
            "Agent": agent_name(event.agent_id),
            "Detail": as_text({**(event.detail or {}), **event.usage}, indent=None)
            if event.detail or event.usage
            else "",
        }
        for event in events
    ]
    return pd.DataFrame(rows)


def _show_error(error: dict[str, Any] | None) -> None:
    if error is None:
        st.caption("No error.")
        return
    _show_json({name: value for name, value in error.items() if name != "traceback"}, "")
    if error.get("traceback"):
        st.code(_cut(str(error["traceback"])), language=None, wrap_lines=True)


def _show_json(value: Any, if_none: str) -> None:
    if value is None:
        st.caption(if_none)
        return
    text = as_text(value, indent=2)
    if len(text) > JSON_LIMIT:
        st.caption(f"The first {JSON_LIMIT:,} of {len(text):,} characters.")
    st.code(_cut(text), language="json", wrap_lines=True)


def as_text(value: Any, *, indent: int | None) -> str:
    """A JSON value as text with every digit; `st.json` would round large integers."""
    return json.dumps(value, indent=indent, ensure_ascii=False)


def _cut(text: str) -> str:
    return text[:JSON_LIMIT]


def _close() -> None:
    st.session_state[TASK_KEY] = ""
