"""Draws the tabs above the list: the states with live counts, and the saved filters with theirs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from taskyard.core.errors import NotPermitted
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.postgres.store.saved_filters import SavedFilter
from taskyard.core.states import TaskState
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.tasks import data, filters
from taskyard.dashboard.pages.tasks.data import Matching, StateCount
from taskyard.dashboard.pages.tasks.state_tabs import TABS
from taskyard.dashboard.shell import frame

REFRESH_SECONDS = 5.0
MAX_SAVED = 6
MAX_NAME_LENGTH = 24
CHANGED_KEY = "tab_changed"


@dataclass(frozen=True, slots=True)
class Counts:
    """What the tabs show: the counts by state, and the saved filters with the number that matches each."""

    states: Mapping[TaskState, StateCount]
    saved: Sequence[tuple[SavedFilter, Matching | None]]


def show_tabs(only: TaskFilter) -> None:
    """Shows the tabs, which keep their counts up to date."""
    frame.live(
        "tabs",
        lambda: _read(only),
        lambda counts: _show(counts, only),
        about=only,
        every_seconds=REFRESH_SECONDS,
        shows_update_time=False,
        height_px=34,
    )


def _read(only: TaskFilter) -> Reading[Counts]:
    reading = data.by_state(data.params_of(replace(only, states=())))
    saved = []
    for one in (data.saved_filters().value or ())[:MAX_SAVED]:
        if one.filter is None:
            continue
        try:
            saved.append((one, data.matching(data.params_of(one.filter)).value))
        except NotPermitted:
            continue  # it asks for what this viewer may not read
    counts = None if reading.problems else Counts(reading.value or {}, saved)
    return Reading(counts, reading.at, reading.problems)


def _show(counts: Counts, only: TaskFilter) -> None:
    if st.session_state.pop(CHANGED_KEY, False):
        st.rerun()  # the whole page follows a click in this section
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key="state_tabs"):
        for name, (label, states) in TABS.items():
            is_chosen = set(only.states) == set(states)
            st.button(
                f"{_(label)} {_shown(counts.states, states)}".rstrip(),
                key=f"tab_{name}",
                type="primary" if is_chosen else "tertiary",
                on_click=_pick,
                args=(states,),
            )
        for one, found in counts.saved:
            number = "" if found is None else _number(found.count, found.is_exact)
            st.button(
                f"{escaped(one.name, MAX_NAME_LENGTH)} {number}".rstrip(),
                key=f"pinned_{hashlib.blake2b(one.name.encode(), digest_size=6).hexdigest()}",
                type="primary" if one.filter == only and not only.is_empty else "tertiary",
                icon=":material/bookmark:",
                on_click=_use,
                args=(one.filter,),
            )


def _shown(counts: Mapping[TaskState, StateCount], states: Sequence[TaskState]) -> str:
    known = [counts[state] for state in (states or TaskState) if state in counts]
    return _number(sum(one.count for one in known), all(one.is_exact for one in known)) if known else ""


def _number(count: int, is_exact: bool) -> str:
    return f"{count:,}" + ("" if is_exact else "+")


def _pick(states: Sequence[TaskState]) -> None:
    filters.change_filter(states=",".join(states) or None)
    st.session_state[CHANGED_KEY] = True


def _use(only: TaskFilter) -> None:
    filters.put(only)
    st.session_state[CHANGED_KEY] = True
