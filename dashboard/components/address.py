"""Keeps a viewer's choices in the page's address: a link, a reload and the browser's Back lead to the same view.

Streamlit's own binding (`bind="query-params"`) writes options into the address by their labels, which depend on the
language of the link's author. These widgets write their values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import streamlit as st

from taskyard.core.errors import SubmissionError
from taskyard.dashboard.components import address_values as values
from taskyard.dashboard.components.address_values import FLAG, SEPARATOR, Parse
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import viewer_zone

__all__ = [
    "FLAG",
    "SEPARATOR",
    "change",
    "choice",
    "choices",
    "flag",
    "has_arrived",
    "here",
    "is_known",
    "is_refused",
    "moment",
    "read_for",
    "text_field",
]

NOTES_KEY = "address_notes"  # what is wrong with the address: by this run of the page, by name
KNOWN_KEY = "address_known"  # the names of the page's parameters
DROPPED_KEY = "address_dropped"  # the page, and what was removed from its address
ARRIVED_KEY = "address_arrived"  # the viewer has just come to this page from another
MAX_NOTE_LENGTH = 400  # characters


@contextmanager
def read_for(page: str, known: Sequence[str]) -> Iterator[None]:
    """Removes unusable parameters from the page's address around its run, and reports them above the page.

    Those are unusable, too, which are not `known`: a misspelt filter would be no filter.
    """
    st.session_state[NOTES_KEY], st.session_state[KNOWN_KEY] = {}, tuple(known)
    dropped = _drop_unusable(known)
    last_page, last = st.session_state.get(DROPPED_KEY, ("", {}))
    st.session_state[ARRIVED_KEY] = last_page != page
    if dropped or last_page != page:
        st.session_state[DROPPED_KEY] = page, dropped
    else:
        dropped = last
    slot = st.container()
    try:
        yield
    finally:
        for problem in {**dropped, **st.session_state[NOTES_KEY]}.values():
            slot.warning(escaped(translate(problem), MAX_NOTE_LENGTH), icon=":material/link_off:")


def _drop_unusable(known: Sequence[str]) -> dict[str, SubmissionError]:
    """Removes parameters that the page can't use from the address; returns the problems."""
    problems = {}
    for name in list(st.query_params):
        try:
            values.usable(name, st.query_params.get_all(name), known)
        except SubmissionError as error:
            problems[name] = error
            del st.query_params[name]
    return problems


def is_refused(name: str) -> bool:
    """Returns True if a widget of this run could not read its value in the address, and has its default."""
    return name in st.session_state.get(NOTES_KEY, {})


def is_known(name: str) -> bool:
    """Returns True for a parameter of the page's address."""
    return name in st.session_state.get(KNOWN_KEY, ())


def has_arrived() -> bool:
    """Returns True in the first run of a page after another page."""
    return bool(st.session_state.get(ARRIVED_KEY))


def here(**changes: str | None) -> dict[str, str]:
    """Returns the page's address parameters with some changed, or left out if None, for a link to the same page."""
    return {name: value for name, value in {**st.query_params.to_dict(), **changes}.items() if value is not None}


def change(**changes: str | None) -> None:
    """Changes some of the page's address parameters, or removes them if None, as one step of the browser's history."""
    new = here(**changes)
    if new != st.query_params.to_dict():
        st.query_params.from_dict(new)


def text_field(name: str) -> dict[str, Any]:
    """Returns arguments for a text widget, `name` in the address; the parameter is left out while empty."""
    return _kept(name, "", parse=values.text(), shown=lambda value: value or "")


def choice(name: str, options: Sequence[str], default: str | None = None) -> dict[str, Any]:
    """Returns arguments for a widget that picks one of `options`; an unknown value in the address means the default."""
    return _kept(name, default, parse=values.choice(name, options), shown=lambda value: value)


def choices(name: str) -> dict[str, Any]:
    """Returns arguments for a widget that picks several values, which are joined by commas in the address."""
    return _kept(name, [], parse=values.choices(name), shown=SEPARATOR.join)


def moment(name: str) -> dict[str, Any]:
    """Returns arguments for a date and time input in the viewer's time zone, which the address includes."""

    def shown(value: datetime | None) -> str | None:
        return None if value is None else value.replace(tzinfo=viewer_zone()).isoformat(timespec="minutes")

    # Without a value an emptied input would mean now.
    return {**_kept(name, None, parse=values.moment(name, viewer_zone()), shown=shown), "value": None}


def flag(name: str) -> dict[str, Any]:
    """Returns arguments for a switch that is off by default."""
    return _kept(name, False, parse=values.flag(name), shown=lambda value: FLAG if value else "")


def _kept(name: str, default: Any, *, parse: Parse, shown: Callable[[Any], str | None]) -> dict[str, Any]:
    """Loads the widget's state from the address after a change of it, and makes the widget write its changes there."""
    assert name in st.session_state.get(KNOWN_KEY, (name,)), f"{name} is no parameter of this page's View"
    key, seen_key = f"address_{name}", f"address_seen_{name}"
    given = st.query_params.get(name)
    value, problem = values.read(parse, given, default)
    if problem is not None:
        st.session_state.setdefault(NOTES_KEY, {})[name] = problem
    # a widget of the same name on the page before this one was another one, whose state is gone
    if has_arrived() or key not in st.session_state or st.session_state.get(seen_key) != given:
        st.session_state[key] = value
    st.session_state[seen_key] = given

    def write() -> None:
        value = st.session_state[key]
        text = None if value == default else shown(value)
        if text:
            st.query_params[name] = text
        elif name in st.query_params:
            del st.query_params[name]
        st.session_state[seen_key] = text or None

    return {"key": key, "on_change": write}
