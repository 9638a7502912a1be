"""Names the fields of a search for tasks, and their values, in the viewer's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import streamlit as st

from taskyard.core.errors import SubmissionError
from taskyard.core.filters.fields import check_bound, check_seconds
from taskyard.core.filters.search_filter import DURATIONS, TaskFilter
from taskyard.core.i18n import N_
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _, labelled

MAX_VALUE_LENGTH = 40  # characters of a value on a chip
AGES: Mapping[str, str] = {
    "15m": N_("Last 15 min"),
    "1h": N_("Last hour"),
    "6h": N_("Last 6 h"),
    "24h": N_("Last 24 h"),
    "7d": N_("Last 7 days"),
    "30d": N_("Last 30 days"),
}
LABELS: Mapping[str, str] = {
    "states": N_("State"),
    "types": N_("Type"),
    "queues": N_("Queue"),
    "priorities": N_("Priority"),
    "agent": N_("Agent"),
    "error_class": N_("Error class"),
    "fingerprint": N_("Failure"),
    "tag": N_("Tag"),
    "created_by": N_("Submitted by"),
    "since": N_("Submitted since"),
    "until": N_("Submitted before"),
    "ended_since": N_("Ended since"),
    "ended_until": N_("Ended before"),
    "min_wait_seconds": N_("Waited at least"),
    "max_wait_seconds": N_("Waited less than"),
    "min_run_seconds": N_("Ran at least"),
    "max_run_seconds": N_("Ran less than"),
    "text": N_("Search"),
    "input_path": N_("Input path"),
    "output_path": N_("Output path"),
    "workflow_id": N_("Workflow"),
}
TIMES = ("since", "until", "ended_since", "ended_until")
_WORDS = ("states", "priorities", "error_class")


def in_words(name: str, value: str) -> str:
    """Returns a field and its value as in an address, as Markdown."""
    if name in _WORDS:
        value = ", ".join(word(one) for one in value.split(","))
    elif value in AGES:
        value = _(AGES[value])
    elif name in DURATIONS:
        value = _duration_in_words(name, value)
    elif name in TIMES:
        value = _time_in_words(name, value)
    return labelled(_(LABELS[name]), escaped(value.replace(",", ", "), MAX_VALUE_LENGTH))


def _duration_in_words(name: str, value: str) -> str:
    """Returns a duration in the viewer's units; one that is refused as it is, under the problem that the page shows."""
    try:
        return duration(check_seconds(name, value))
    except SubmissionError:
        return value


def _time_in_words(name: str, value: str) -> str:
    """Returns a time in the viewer's zone; an age, and one that is refused, as it is."""
    try:
        at = check_bound(name, value)
    except SubmissionError:
        return value
    return shown_time(at) if isinstance(at, datetime) else value


def show_filter(only: TaskFilter) -> None:
    """Shows a chip for each field that is set, or one that says that there is none."""
    with st.container(horizontal=True, gap="xsmall", key="filter_chips"):
        for name, value in only.as_params().items():
            st.badge(in_words(name, value), color="blue", icon=":material/filter_alt:")
        if only.is_empty:
            st.badge(_("No filter: all tasks"), color="red", icon=":material/warning:")
