"""Lets a search that ran out of time go on by itself, until the page is full or everything was searched."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from taskyard.core.filters.search_filter import Sort
from taskyard.core.postgres.store.search import BY_AGE
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.tasks import data

FURTHER_KEY = "searched_further"  # the search, and what was found so far


def read_further(params: data.Params, sort: Sort) -> Reading[data.Page]:
    """Returns the first page of a search by age, and looks one step further back each time it is asked again."""
    first = data.page(params, sort.value, "")
    if first.value is None or first.value.problem or sort not in BY_AGE:
        return first
    about = (params, sort)
    known, page = st.session_state.get(FURTHER_KEY, (None, None))
    if known != about or page is None:
        if first.value.searched_to is not None:
            st.session_state[FURTHER_KEY] = about, first.value
        return first
    if page.next and len(page.tasks) < data.PAGE_SIZE and page.searched_to is not None:
        more = data.page(params, sort.value, page.next).value
        if more is None:
            return replace(first, value=page)
        page = replace(
            page,
            tasks=(*page.tasks, *more.tasks)[: data.PAGE_SIZE],
            next=more.next,
            searched_to=more.searched_to,
            now=more.now,
        )
        st.session_state[FURTHER_KEY] = about, page
    fresh = {task.id: task for task in first.value.tasks}
    listed = data.listed(tuple(task.id for task in page.tasks)).value
    now = {task.id: task for task in (listed.tasks if listed is not None else page.tasks)}
    kept = [now[task.id] for task in page.tasks if task.id in now and task.id not in fresh]
    tasks = sorted((*fresh.values(), *kept), key=lambda task: task.id, reverse=sort is Sort.NEWEST)
    return replace(first, value=replace(page, tasks=tuple(tasks[: data.PAGE_SIZE]), now=first.value.now))


def show_progress(page: data.Page, is_going_on: bool) -> None:
    """Shows how far was searched, while that is not everything."""
    if page.searched_to is None:
        return
    text = _("Searched back to {time}.") if page.tasks else _("No match so far. Searched back to {time}.")
    st.caption(text.format(time=escaped(shown_time(page.searched_to))))
    if is_going_on and page.oldest is not None:
        whole = (page.now - page.oldest).total_seconds()
        done = (page.now - page.searched_to).total_seconds()
        st.progress(min(1.0, max(0.0, done / whole)) if whole > 0 else 1.0)
