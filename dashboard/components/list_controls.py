"""Draws the controls above a list that has a card view and a table view; all choices are kept in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from taskyard.core.i18n import N_
from taskyard.dashboard.components import address
from taskyard.dashboard.i18n import _

CARDS = "cards"
VIEWS = {CARDS: N_("Cards"), "table": N_("Table")}
ICONS = {CARDS: ":material/grid_view:", "table": ":material/table_rows:"}
FIND_WIDTH_PX = 220


def pick_view() -> str:
    """Lets the viewer pick cards or table; returns a key of VIEWS."""
    view = st.segmented_control(
        _("View"),
        list(VIEWS),
        required=True,
        format_func=lambda name: f"{ICONS[name]} {_(VIEWS[name])}",
        label_visibility="collapsed",
        **address.choice("view", list(VIEWS), CARDS),
    )
    return view or CARDS


def pick_text(placeholder: str) -> str:
    """Shows a search field; `placeholder` says in the viewer's language what is searched."""
    text = st.text_input(
        _("Find"),
        placeholder=placeholder,
        label_visibility="collapsed",
        width=FIND_WIDTH_PX,
        **address.text_field("find"),
    )
    return text or ""


def pick_sort(sorts: Mapping[str, tuple[str, Any]], default: str) -> str:
    """Lets the viewer pick an order, a key of `sorts`, whose values begin with their English name."""
    sort = st.selectbox(
        _("Sort by"),
        list(sorts),
        format_func=lambda name: _(sorts[name][0]),
        **address.choice("sort", list(sorts), default),
    )
    return sort or default
