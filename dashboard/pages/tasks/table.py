"""Draws tasks as a table: a click on an id opens one, rows can be selected."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from taskyard.core.models import Task
from taskyard.dashboard.components.tables import show_table
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.task_links import task_column
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.tasks.columns import COLUMNS, USUAL, cell, chosen_columns, column_settings, words_of

CLICK_KEY = "clicked_task"
ROW_HEIGHT_PX = 24


def show_tasks(tasks: Sequence[Task], now: datetime, key: str) -> None:
    """Shows a table of tasks whose rows can be selected."""
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
