"""Lists the columns of the list of tasks: what they are called, how wide they are, and what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from taskyard.core.i18n import N_
from taskyard.core.models import Task
from taskyard.core.views.attempts import name_of
from taskyard.core.views.masking import MASK
from taskyard.dashboard.components.markdown_escape import one_line
from taskyard.dashboard.components.states import PRIORITY_COLORS, STATE_COLORS, badge_column, word
from taskyard.dashboard.components.tables import Words, value_column
from taskyard.dashboard.components.times import duration, time_column
from taskyard.dashboard.i18n import _, labelled

COLUMNS_PARAMETER = "columns"
COLUMNS: Mapping[str, str] = {
    "state": N_("State"),
    "title": N_("Title"),
    "error": N_("Error"),
    "queue": N_("Queue"),
    "agent": N_("Agent"),
    "attempts": N_("Attempts"),
    "submitted": N_("Submitted at"),
    "ended": N_("Ended"),
    "run": N_("Run time"),
    "id": N_("Task"),
    "type": N_("Type"),
    "priority": N_("Priority"),
    "progress": N_("Progress"),
    "by": N_("Submitted by"),
}
USUAL = ("state", "title", "error", "queue", "agent", "attempts", "submitted", "ended", "run", "id")
MAX_TEXT_LENGTH = 200


def chosen_columns() -> Sequence[str]:
    """Returns the columns that the address names, the id always among them; the usual ones if it names none."""
    asked = [name for name in st.query_params.get(COLUMNS_PARAMETER, "").split(",") if name in COLUMNS]
    if not asked:
        return USUAL
    return tuple(dict.fromkeys((*(name for name in COLUMNS if name in asked and name != "id"), "id")))


def column_settings(id_column: Any) -> dict[str, Any]:
    """Returns the settings of all columns by their headings."""
    text = st.column_config.TextColumn
    return {
        _("State"): badge_column(_("State"), STATE_COLORS, width=96),
        _("Title"): text(_("Title"), width=235, help=_("With the type")),
        _("Error"): text(_("Error"), width=215, help=_("Class and first line")),
        _("Queue"): text(_("Queue"), width=70),
        _("Agent"): text(_("Agent"), width=80),
        _("Attempts"): value_column(_("Attempts"), width=64),
        _("Submitted at"): time_column(_("Submitted at")),
        _("Ended"): time_column(_("Ended")),
        _("Run time"): value_column(_("Run time"), width=76, help=_("Of the last attempt")),
        _("Task"): id_column,
        _("Type"): text(_("Type"), width=130),
        _("Priority"): badge_column(_("Priority"), PRIORITY_COLORS, width=75),
        _("Progress"): st.column_config.ProgressColumn(
            _("Progress"), format="percent", min_value=0, max_value=1, width=90
        ),
        _("Submitted by"): text(_("Submitted by"), width=110),
    }


def cell(name: str, task: Task, short_id: str, now: datetime) -> Any:
    """Returns what a column shows of a task."""
    match name:
        case "state":
            return [word(task.state)]
        case "title":
            return title_of(task)
        case "error":
            return error_of(task)
        case "attempts":
            return task.attempt - task.refunded
        case "run":
            return run_seconds(task, now)
        case "priority":
            return [word(task.priority.label)]
        case "progress":
            return task.progress if task.finished_at is None else None
    plain: dict[str, Any] = {
        "queue": task.queue,
        "agent": name_of(task.assigned_agent_id),
        "submitted": task.created_at,
        "ended": task.finished_at,
        "id": short_id,
        "type": task.type,
        "by": one_line(task.created_by),
    }
    return plain[name]


def words_of(tasks: Sequence[Task], names: Sequence[str]) -> Mapping[str, Words]:
    """Returns what is read in the columns whose values are numbers."""
    words: Mapping[str, Words] = {
        "attempts": [
            _("{used} of {most}").format(used=task.attempt - task.refunded, most=task.max_attempts) for task in tasks
        ],
        "run": duration,
    }
    return {_(COLUMNS[name]): given for name, given in words.items() if name in names}


def title_of(task: Task) -> str:
    """Returns a task's title with its type, or its type alone."""
    title = one_line(task.title or "", MAX_TEXT_LENGTH)
    return f"{title} · {task.type}" if title else task.type


def error_of(task: Task) -> str:
    """Returns the class of a task's error and the first line of its message; the class alone where that is hidden."""
    if not task.error:
        return ""
    class_ = word(str(task.error.get("class") or ""))
    lines = str(task.error.get("message") or "").strip().splitlines()
    return labelled(class_, one_line(lines[0], MAX_TEXT_LENGTH)) if lines and lines[0] != MASK else class_


def run_seconds(task: Task, now: datetime) -> float | None:
    """Returns how long the last attempt ran or has run, in seconds; None if it has not started."""
    if task.started_at is None:
        return None
    return max(0.0, ((task.finished_at or now) - task.started_at).total_seconds())
