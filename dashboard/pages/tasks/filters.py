"""Draws a search's filters: widgets for every field of a TaskFilter, each kept in the page's address.

The filter is read from the address; the widgets only show and change it. So an invalid link is reported, not
silently read as a different filter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.core.errors import ErrorClass, SubmissionError
from taskyard.core.filters.search_filter import DURATIONS, PARAMS, Sort, TaskFilter
from taskyard.core.i18n import N_
from taskyard.dashboard.components.address import SEPARATOR, change, choice, choices, moment, text_field
from taskyard.dashboard.components.filter_words import AGES, LABELS, in_words
from taskyard.dashboard.components.permitted import button, lacking
from taskyard.dashboard.components.states import PRIORITIES, STATES, word
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.tasks.columns import COLUMNS, COLUMNS_PARAMETER
from taskyard.dashboard.pages.tasks.data import Facets
from taskyard.dashboard.pages.tasks.state_tabs import tab_of

AFTER, SORT = "after", "sort"
FIELD_WIDTH_PX = 150
SEARCH_WIDTH_PX = 250
CHIPS = tuple(name for name in PARAMS if name != "text")
SORTS: Mapping[str, str] = {
    Sort.NEWEST: N_("Newest first"),
    Sort.OLDEST: N_("Oldest first"),
    Sort.PRIORITY: N_("Most urgent first"),
    Sort.WAITING: N_("Longest waiting first"),
    Sort.LONGEST: N_("Longest run time first"),
    Sort.FINISHED: N_("Recently ended first"),
}
IN_BAR = ("text", "types", "queues", "since", "ended_since")
BEHIND = tuple(name for name in PARAMS if name not in IN_BAR)


def asked() -> tuple[TaskFilter, str]:
    """Returns the filter in the address, and its problem (then the filter is empty)."""
    given = {name: st.query_params[name] for name in PARAMS if name in st.query_params}
    try:
        return TaskFilter.from_params(given), ""
    except SubmissionError as error:
        return TaskFilter(), translate(error)


def asked_sort() -> Sort:
    """Returns the order in the address, newest first if it names none or an unknown one."""
    given = st.query_params.get(SORT, "")
    return Sort(given) if given in list(Sort) else Sort.NEWEST  # the field that shows it reports that it is unknown


def show_bar(facets: Facets) -> None:
    """Shows the most used fields, in a row."""
    st.text_input(
        _(LABELS["text"]),
        type="search",
        placeholder=_("Search: title, error, id, key"),
        label_visibility="collapsed",
        width=SEARCH_WIDTH_PX,
        **_first_page(text_field("text")),
    )
    _pick_some("types", facets.types, in_bar=True)
    _pick_some("queues", facets.queues, in_bar=True)
    for name in ("ended_since", "since"):
        _pick_age(name)


def _pick_age(name: str) -> None:
    ages = _with_asked(name, tuple(AGES))
    st.selectbox(
        _(LABELS[name]),
        ages,
        index=None,
        required=True,  # Esc would clear it: its chip does
        placeholder=_(LABELS[name]),
        accept_new_options=True,
        format_func=lambda age: _(AGES[age]) if age in AGES else age,
        label_visibility="collapsed",
        width=FIELD_WIDTH_PX,
        **_first_page(choice(name, ages)),
    )


def show_more(facets: Facets) -> None:
    """Shows the other fields, behind a button that says how many of them are set."""
    count = sum(name in st.query_params for name in BEHIND)
    label = _("More filters ({count})").format(count=count) if count else _("More filters")
    with st.popover(label, icon=":material/tune:", key="more_filters"), st.grid(2, min_column_width=FIELD_WIDTH_PX):
        _pick_some("states", STATES, format_func=word)
        _pick_some("priorities", PRIORITIES, format_func=word)
        _pick("agent", facets.agents)
        _pick("error_class", tuple(ErrorClass), is_open=False, format_func=word)
        _pick("tag", facets.tags)
        _pick("created_by", facets.creators)
        for bound in ("until", "ended_until"):
            st.datetime_input(_(LABELS[bound]), **_first_page(moment(bound)))
        for name in DURATIONS:
            st.text_input(_(LABELS[name]), placeholder=_("Seconds"), **_first_page(text_field(name)))
        path_help = _("An SQL/JSON path that matches, such as `{example}`")
        barred = lacking(Permission.PAYLOAD_READ)
        for name, example in (("input_path", "$.rows[*].a > 3"), ("output_path", '$.status == "ok"')):
            st.text_input(
                _(LABELS[name]),
                placeholder=example,
                **button(barred, path_help.format(example=example)),
                **_first_page(text_field(name)),
            )
        st.text_input(_(LABELS["fingerprint"]), **_first_page(text_field("fingerprint")))
        st.text_input(_(LABELS["workflow_id"]), **_first_page(text_field("workflow_id")))


def show_view() -> None:
    """Shows the order and the choice of columns, behind a button."""
    options = list(Sort)
    with st.popover(_("View"), icon=":material/view_column:", key="view_options"):
        st.selectbox(
            _("Order"),
            options,
            format_func=lambda sort: _(SORTS[sort]),
            **_first_page(choice(SORT, options, Sort.NEWEST)),
        )
        st.multiselect(
            _("Columns"),
            list(COLUMNS),
            format_func=lambda name: _(COLUMNS[name]),
            placeholder=_("The usual ones"),
            **choices(COLUMNS_PARAMETER),
        )


def show_chips() -> None:
    """Shows a chip for each set field; a click removes it."""
    for name in shown_chips():
        if name in st.query_params:
            text = in_words(name, st.query_params[name])
            st.button(text, icon=":material/close:", key=f"drop_{name}", type="tertiary", on_click=drop, args=([name],))


def shown_chips() -> Sequence[str]:
    """Returns the set fields that have a chip: all but the text, and states that are a tab's."""
    is_tab = bool(tab_of(asked()[0]))
    return [name for name in CHIPS if name in st.query_params and not (name == "states" and is_tab)]


def show_clear() -> None:
    """Shows a button that removes every filter."""
    if any(name in st.query_params for name in PARAMS):
        icon = ":material/filter_alt_off:"
        st.button(_("Clear all"), icon=icon, key="clear", type="tertiary", on_click=drop, args=(PARAMS,))


def drop(names: Sequence[str]) -> None:
    """Removes fields from the address, and goes to the first page."""
    change(**dict.fromkeys((*names, AFTER)))


def change_filter(**changes: str | None) -> None:
    """Changes fields of the filter in the address, and goes to the first page."""
    change(**{**changes, AFTER: None})


def put(only: TaskFilter) -> None:
    """Replaces the filter in the address."""
    change(**{**dict.fromkeys((*PARAMS, AFTER)), **only.as_params()})


def _pick_some(
    name: str, known: Sequence[str], format_func: Callable[[str], str] = str, *, in_bar: bool = False
) -> None:
    """Shows a field with several values: the known ones, and others in the address."""
    options = _with_asked(name, known)
    shown: dict[str, Any] = {"label_visibility": "collapsed", "width": FIELD_WIDTH_PX} if in_bar else {}
    st.multiselect(
        _(LABELS[name]),
        options,
        format_func=format_func,
        placeholder=_(LABELS[name]) if in_bar else _("Any"),
        **shown,
        **_first_page(choices(name)),
    )


def _pick(name: str, known: Sequence[str], *, is_open: bool = True, format_func: Callable[[str], str] = str) -> None:
    """Shows a field with one value: one of the known ones, or any other if it `is_open`."""
    options = _with_asked(name, known) if is_open else list(known)
    st.selectbox(
        _(LABELS[name]),
        options,
        index=None,
        required=True,  # Esc would clear it: its chip does
        placeholder=_("Any"),
        accept_new_options=is_open,
        format_func=format_func,
        **_first_page(choice(name, options)),
    )


def _with_asked(name: str, known: Sequence[str]) -> list[str]:
    """Returns the known values, and those in the address."""
    given = st.query_params.get(name, "")
    return list(dict.fromkeys([*known, *(value for value in given.split(SEPARATOR) if value)]))


def _first_page(arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns a widget's arguments so that a change of it leads to the first page."""
    write: Callable[[], None] = arguments["on_change"]

    def changed() -> None:
        write()
        drop(())

    return {**arguments, "on_change": changed}
