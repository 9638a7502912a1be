"""Draws the task search, and actions on selected or all matching tasks."""

from dataclasses import replace

import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.core.filters.search_filter import PARAMS, TaskFilter
from taskyard.core.humanize import number
from taskyard.core.i18n import N_
from taskyard.core.postgres.store.search import BY_AGE
from taskyard.core.submission.bulk_operation import Action
from taskyard.dashboard.components import device
from taskyard.dashboard.components.address import change
from taskyard.dashboard.components.bulk_dialog import ask_many, read_runs, show_runs
from taskyard.dashboard.components.dialogs import tell
from taskyard.dashboard.components.empty import show_first_steps
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.permitted import button, lacking
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.data.bulk_runs import Target
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.task.panel import show_panel
from taskyard.dashboard.pages.tasks import data, filters, saved_filters
from taskyard.dashboard.pages.tasks.cards import show_cards
from taskyard.dashboard.pages.tasks.further import read_further, show_progress
from taskyard.dashboard.pages.tasks.selection import list_key, note_shown, selected_ids, shown_ids, unselect
from taskyard.dashboard.pages.tasks.table import show_tasks
from taskyard.dashboard.pages.tasks.tabs import show_tabs
from taskyard.dashboard.shell import frame

NOTHING_KNOWN = data.Facets((), (), (), (), ())
REQUESTED_KEY, PAGE_KEY, FILTERS_KEY = "bulk_asked", "page_of_tasks", "filters_open"
ACTIONS = (
    (Action.RETRY, N_("Retry"), "replay"),
    (Action.CANCEL, N_("Cancel"), "block"),
    (Action.PRIORITY, N_("Priority"), "priority_high"),
)


def show_filters(only: TaskFilter) -> None:
    """Shows the filters, on a phone behind a button."""
    facets = data.facets().value or NOTHING_KNOWN
    is_open = st.session_state.get(FILTERS_KEY, False)
    st.button(
        _("Filters"), icon=":material/filter_list:", key="filters_toggle", on_click=_toggle_filters, width="stretch"
    )
    with st.container(
        horizontal=True,
        vertical_alignment="center",
        gap="xsmall",
        key="filter_bar_open" if is_open else "filter_bar",
    ):
        filters.show_bar(facets)
        filters.show_more(facets)
        saved_filters.show_saved(data.saved_filters().value or (), only)
        filters.show_view()
    if filters.shown_chips():
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="filter_drops"):
            filters.show_chips()
            filters.show_clear()


def _toggle_filters() -> None:
    st.session_state[FILTERS_KEY] = not st.session_state.get(FILTERS_KEY, False)


def show_page(page: data.Page, key: str, only: TaskFilter, after: str) -> None:
    """Shows a page of tasks, their actions, and links to other pages."""
    if page.problem:
        show_refused(translate(page.problem))
        return
    st.session_state[PAGE_KEY] = page
    if page.tasks:
        show_actions(key, only, page, after)
        if device.is_narrow():
            show_cards(page.tasks, page.now, key)
        else:
            show_tasks(page.tasks, page.now, key)
        note_shown(page.tasks, key)
    elif page.searched_to is None:
        show_none(only, after)
    is_going_on = not after and filters.asked_sort() in BY_AGE
    show_progress(page, is_going_on)
    if not page.tasks:
        show_pager(page, after)


def show_actions(key: str, only: TaskFilter, page: data.Page, after: str) -> None:
    """Shows the actions for the selected tasks, or for all that match if none is selected, and the pager."""
    selected = selected_ids(key)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if selected:
            count = len(selected)
            text = ngettext("{count} task is selected:", "{count} tasks are selected:", count).format(count=count)
        else:
            text = _matching_text(only)
        st.text(text, width="content")
        # another button than that for all that matches: a click that meets a lost selection does nothing
        part = "_selected" if selected else ""
        for action, label, icon in ACTIONS:
            if st.button(
                _(label),
                icon=f":material/{icon}:",
                key=f"bulk_{action}{part}",
                type="tertiary",
                **button(lack_of_many(only)),
            ):
                st.session_state[REQUESTED_KEY] = (action, Target(None, tuple(selected)) if selected else Target(only))
                st.rerun()
        if selected and st.button(_("Unselect"), icon=":material/deselect:", key="unselect", type="tertiary"):
            unselect()
            st.rerun()
        st.space("stretch")
        show_pager(page, after)


def lack_of_many(only: TaskFilter) -> str:
    """Returns why the viewer may not change all tasks that match, as Markdown; empty if they may."""
    if only.text is not None and (reason := lacking(Permission.PAYLOAD_READ)):
        return reason  # it would be looked for in errors, too
    return lacking(Permission.TASK_OPERATE)


def _matching_text(only: TaskFilter) -> str:
    found = data.matching(only)
    if found is None:
        return _("All matching tasks:")
    if only.is_empty:
        text = ngettext("{count} task:", "{count} tasks:", found.count)
    else:
        text = ngettext("{count} task matches:", "{count} tasks match:", found.count)
    return text.format(count=number(found.count, is_exact=found.is_exact))


def show_none(only: TaskFilter, after: str) -> None:
    """Shows that there is no task, or that none matches."""
    if only.is_empty and not after:
        show_first_steps()
        return
    with st.container(border=True, key="nothing"):
        st.markdown(f":material/search_off: {_('No task matches.')}" if not after else _("There are no more tasks."))
        if st.button(_("Show all tasks"), key="show_all"):
            filters.drop(PARAMS)
            st.rerun()


def show_pager(page: data.Page, after: str) -> None:
    """Shows buttons to the neighbouring pages."""
    onwards = _("Search further") if page.searched_to is not None else _("Next page")
    for label, icon, place, is_there in (
        (_("First page"), "first_page", "", bool(after)),
        (_("Previous page"), "chevron_left", page.previous, bool(page.previous)),
        (onwards, "chevron_right", page.next, bool(page.next)),
    ):
        if (is_there or after or page.next) and st.button(
            " ", icon=f":material/{icon}:", key=f"page_{icon}", type="tertiary", help=label, disabled=not is_there
        ):
            change(**{filters.AFTER: place or None})
            st.rerun()


def show_refused(problem: str) -> None:
    """Shows that the filter is invalid."""
    st.error(escaped(problem, 500), title=_("These filters are not accepted"), icon=":material/filter_alt_off:")


def read_page(key: str, only: TaskFilter, after: str) -> Reading[data.Page]:
    """Returns the current page; while rows are selected, the same tasks in the same order."""
    last = st.session_state.get(PAGE_KEY)
    if last is None or not selected_ids(key):
        if not after:
            return read_further(data.params_of(only), filters.asked_sort())
        return data.page(data.params_of(only), filters.asked_sort().value, after)
    reading = data.listed(shown_ids(key))
    if reading.value is None:
        return reading
    return replace(reading, value=replace(last, tasks=reading.value.tasks, now=reading.value.now))


def show_search() -> None:
    """Shows the filters and their results."""
    only, problem = filters.asked()
    show_filters(only)
    if problem:
        show_refused(problem)
        return
    after = st.query_params.get(filters.AFTER, "")
    key = list_key(f"{data.params_of(only)} {filters.asked_sort()} {after}")
    if st.session_state.get("key_of_tasks") != key:
        st.session_state["key_of_tasks"] = key
        st.session_state.pop(PAGE_KEY, None)  # the last reading is of another search
    frame.live(
        "tasks",
        lambda: read_page(key, only, after),
        lambda page: show_page(page, key, only, after),
        about=key,
        every_seconds=None if after else frame.REFRESH_SECONDS,
        height_px=600,
    )


with st.container(horizontal=True, vertical_alignment="center", gap="small", key="tasks_head"):
    frame.header(_("Tasks"))
    asked, refused = filters.asked()
    if not refused:  # they would count all tasks
        show_tabs(asked)
tell()
frame.live("bulk_runs", read_runs, show_runs, every_seconds=1.0, shows_update_time=False, height_px=1)
show_search()
show_panel()
saved_filters.open_requested()
if REQUESTED_KEY in st.session_state:
    action, target = st.session_state.pop(REQUESTED_KEY)
    ask_many(action, target, then=unselect)
