"""Draws the tabs above the list: the states with live counts, and the saved filters with theirs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from taskyard.core.errors import NotPermitted
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.humanize import number
from taskyard.core.postgres.store.saved_filters import SavedFilter
from taskyard.core.states import TaskState
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.tasks import data, filters
from taskyard.dashboard.pages.tasks.data import StateCount
from taskyard.dashboard.pages.tasks.state_tabs import TABS, Tab, tab_of
from taskyard.dashboard.shell import frame

REFRESH_SECONDS = 5.0
MAX_SAVED = 6
MAX_NAME_LENGTH = 24
CHANGED_KEY = "tab_changed"


@dataclass(frozen=True, slots=True)
class Counts:
    """What the tabs show: the counts by state, of recent failures, and of the saved filters' matches."""

    states: Mapping[TaskState, StateCount]
    saved: Sequence[tuple[SavedFilter, StateCount | None]]
    recent: StateCount | None = None


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
    reading = data.by_state(only)
    saved = []
    for one in (data.saved_filters().value or ())[:MAX_SAVED]:
        if one.filter is None:
            continue
        try:
            saved.append((one, data.matching(one.filter)))
        except NotPermitted:
            continue  # it asks for what this viewer may not read
    tab = TABS["failed_1h"]
    recent = data.matching(replace(only, states=tab.states, ended_since=tab.ended_since))
    counts = None if reading.problems else Counts(reading.value or {}, saved, recent)
    return Reading(counts, reading.at, reading.problems)


def _show(counts: Counts, only: TaskFilter) -> None:
    if st.session_state.pop(CHANGED_KEY, False):
        st.rerun()  # the whole page follows a click in this section
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key="state_tabs"):
        chosen = tab_of(only)
        for name, tab in TABS.items():
            st.button(
                f"{_(tab.label)} {_shown(counts, tab)}".rstrip(),
                key=f"tab_{name}",
                type="primary" if name == chosen else "tertiary",
                on_click=_pick,
                args=(name,),
            )
        for one, found in counts.saved:
            st.button(
                f"{escaped(one.name, MAX_NAME_LENGTH)} {_number(found)}".rstrip(),
                key=f"pinned_{hashlib.blake2b(one.name.encode(), digest_size=6).hexdigest()}",
                type="primary" if one.filter == only and not only.is_empty else "tertiary",
                icon=":material/bookmark:",
                on_click=_use,
                args=(one.filter,),
            )


def _shown(counts: Counts, tab: Tab) -> str:
    if tab.ended_since is not None:
        return _number(counts.recent)
    return _number(data.count_of(counts.states, tab.states)) if counts.states else ""


def _number(found: StateCount | None) -> str:
    return "" if found is None else number(found.count, is_exact=found.is_exact)


def _pick(name: str) -> None:
    tab, now = TABS[name], filters.asked()[0]
    # leaving the tab that set it
    left = {"ended_since": None} if TABS["failed_1h"].is_of(now) else {}
    since = {"ended_since": tab.ended_since} if tab.ended_since else left
    filters.change_filter(states=",".join(tab.states) or None, **since)
    st.session_state[CHANGED_KEY] = True


def _use(only: TaskFilter) -> None:
    filters.put(only)
    st.session_state[CHANGED_KEY] = True
