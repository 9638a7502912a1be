"""Shows a choice of one from a few that the page's address keeps, as buttons in a row."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from taskyard.dashboard.components import address
from taskyard.dashboard.i18n import _


def show_choice(label: str, options: Mapping[str, str], parameter: str, default: str) -> str:
    """Returns the chosen one of `options`, which are untranslated texts by value; `parameter` is the address's.

    `label` is for those who can't see the row.
    """
    chosen = st.segmented_control(
        label,
        list(options),
        required=True,
        format_func=lambda value: _(options[value]),
        label_visibility="collapsed",
        **address.choice(parameter, list(options), default),
    )
    return chosen or default
