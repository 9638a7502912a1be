"""Knows which tasks of a list are selected: rows of its table, or cards on a phone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import streamlit as st

from taskyard.core.models import Task

SHOWN_KEY = "shown_tasks"
ROUND_KEY = "rounds_of_selection"


def list_key(asked: str) -> str:
    """Returns the key of the list for a search: another search gets another key, and so no selection."""
    text = f"{asked} {st.session_state.get(ROUND_KEY, 0)}"
    return f"tasks_{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def box_key(key: str, task_id: str) -> str:
    """Returns the key of the box that selects a task in the list with this key."""
    return f"{key}_{task_id}"


def note_shown(tasks: Sequence[Task], key: str) -> None:
    """Notes what the list with this key shows, in order."""
    st.session_state[SHOWN_KEY] = {key: tuple(task.id for task in tasks)}


def shown_ids(key: str) -> tuple[str, ...]:
    """Returns the ids in the last drawn order of the list with this key."""
    return tuple(st.session_state.get(SHOWN_KEY, {}).get(key, ()))


def selected_ids(key: str) -> list[str]:
    """Returns the ids of what is selected in the list with this key, in its last drawn content."""
    shown = shown_ids(key)
    table = st.session_state.get(key)
    rows = table["selection"]["rows"] if table else []
    by_row = [shown[row] for row in rows if row < len(shown)]
    return by_row or [task_id for task_id in shown if st.session_state.get(box_key(key, task_id))]


def unselect() -> None:
    """Clears the selection from the next run of the page on."""
    st.session_state[ROUND_KEY] = st.session_state.get(ROUND_KEY, 0) + 1
