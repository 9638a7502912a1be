"""States of tasks: their labels, colours and counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.states import TaskState

# Names of the theme's colours.
COLORS: dict[TaskState, Any] = {
    TaskState.BLOCKED: "gray",
    TaskState.SCHEDULED: "violet",
    TaskState.PENDING: "orange",
    TaskState.ASSIGNED: "yellow",
    TaskState.IN_PROGRESS: "blue",
    TaskState.COMPLETED: "green",
    TaskState.FAILED: "red",
    TaskState.CANCELLED: "gray",
}
HELP = {
    TaskState.BLOCKED: "Wait for other tasks",
    TaskState.SCHEDULED: "Due later: delayed, or waiting for another attempt",
    TaskState.PENDING: "Ready, wait for a free agent",
    TaskState.ASSIGNED: "Given to an agent that has not begun yet",
    TaskState.IN_PROGRESS: "Run now",
    TaskState.COMPLETED: "Done",
    TaskState.FAILED: "Out of attempts, or not worth another one",
    TaskState.CANCELLED: "Stopped by an operator, or their parent did not complete",
}
CARD_WIDTH_PX = 100


def label(state: str) -> str:
    """A state in words."""
    return state.replace("_", " ")


def show_counts(counts: Mapping[str, int]) -> None:
    """How many tasks are in each state."""
    with st.grid(len(TaskState), min_column_width=CARD_WIDTH_PX):
        for state in TaskState:
            name, count = label(state).capitalize(), f"{counts.get(state, 0):,}"
            st.metric(name, count, border=True, help=HELP[state], height="stretch")


def show_badge(state: TaskState) -> None:
    """One task's state."""
    st.badge(label(state), color=COLORS[state])


def state_column() -> Any:
    """A column of one-element lists of state labels."""
    return st.column_config.MultiselectColumn(
        "State", options=[label(state) for state in TaskState], color=list(COLORS.values()), width=110
    )
