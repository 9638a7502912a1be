"""What a viewer chose, kept in the page's address: a link, a reload and the browser's Back lead to the same view.

Streamlit's own binding (`bind="query-params"`) writes options into the address as they are labelled,
which depends on the language of who made the link. These widgets write their values.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from dashboard.components.times import viewer_zone

SEPARATOR = ","
FLAG = "1"
CHOICES_LIMIT = 50


def here(**changes: str | None) -> dict[str, str]:
    """The parameters of the page's address with some changed, or left out if None: for a link to the same page."""
    return {name: value for name, value in {**st.query_params.to_dict(), **changes}.items() if value is not None}


def text_field(name: str) -> dict[str, Any]:
    """Arguments for a widget whose value is a text, `name` in the address; it is left out while empty."""
    return _kept(name, "", parse=str, shown=lambda value: value or "")


def choice(name: str, options: Sequence[str], default: str | None = None) -> dict[str, Any]:
    """Arguments for a widget that picks one of `options`; what the address names beside them is the default."""
    return _kept(name, default, parse=lambda text: text if text in options else default, shown=lambda value: value)


def choices(name: str) -> dict[str, Any]:
    """Arguments for a widget that picks several values, which are joined by commas in the address."""

    def parse(text: str) -> list[str]:
        return list(dict.fromkeys(value for value in text.split(SEPARATOR) if value))[:CHOICES_LIMIT]

    return _kept(name, [], parse=parse, shown=SEPARATOR.join)


def moment(name: str) -> dict[str, Any]:
    """Arguments for an input of a date and time by the viewer's clock; the address has its zone."""

    def parse(text: str) -> datetime | None:
        with contextlib.suppress(ValueError, OverflowError):
            return datetime.fromisoformat(text).astimezone(viewer_zone()).replace(tzinfo=None)
        return None

    def shown(value: datetime | None) -> str | None:
        return None if value is None else value.replace(tzinfo=viewer_zone()).isoformat(timespec="minutes")

    # Without a value an input that is emptied would mean now.
    return {**_kept(name, None, parse=parse, shown=shown), "value": None}


def flag(name: str) -> dict[str, Any]:
    """Arguments for a switch that is off by default."""
    return _kept(name, False, parse=lambda text: text == FLAG, shown=lambda value: FLAG if value else "")


def _kept(
    name: str, default: Any, *, parse: Callable[[str], Any], shown: Callable[[Any], str | None]
) -> dict[str, Any]:
    """Loads the widget's state from the address when that has changed, and has the widget write its changes there."""
    key, seen_key = f"address_{name}", f"address_seen_{name}"
    given = st.query_params.get(name)
    if key not in st.session_state or st.session_state.get(seen_key) != given:
        st.session_state[key] = default if given is None else parse(given)
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
