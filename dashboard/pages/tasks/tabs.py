"""Draws the tabs above the list: the states with live counts, and the saved filters with theirs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from taskyard.core.errors import NotPermitted
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.humanize import number
from taskyard.core.postgres.store.saved_filters import SavedFilter
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.tasks import data, filters
from taskyard.dashboard.pages.tasks.data import StateCount
from taskyard.dashboard.pages.tasks.state_tabs import TABS, picked, tab_of
from taskyard.dashboard.shell import frame

REFRESH_SECONDS = 5.0
MAX_SAVED = 6
MAX_NAME_LENGTH = 24
CHANGED_KEY = "tab_changed"


@dataclass(frozen=True, slots=True)
class Counts:
    """What the tabs show: how many tasks each leads to, those of the saved filters, too."""

    tabs: Mapping[str, StateCount | None]
    saved: Sequence[tuple[SavedFilter, StateCount | None]]


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
    counts = None if reading.problems else Counts({name: data.matching(picked(name, only)) for name in TABS}, saved)
    return Reading(counts, reading.at, reading.problems)


def _show(counts: Counts, only: TaskFilter) -> None:
    if st.session_state.pop(CHANGED_KEY, False):
        st.rerun()  # the whole page follows a click in this section
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key="state_tabs"):
        chosen = tab_of(only)
        for name, tab in TABS.items():
            st.button(
                f"{_(tab.label)} {_number(counts.tabs[name])}".rstrip(),
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


def _number(found: StateCount | None) -> str:
    return "" if found is None else number(found.count, is_exact=found.is_exact)


def _pick(name: str) -> None:
    asked = picked(name, filters.asked()[0]).as_params()
    filters.change_filter(**{field: asked.get(field) for field in ("states", "ended_since")})
    st.session_state[CHANGED_KEY] = True


def _use(only: TaskFilter) -> None:
    filters.put(only)
    st.session_state[CHANGED_KEY] = True
