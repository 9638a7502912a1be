"""Tells the scripts in the browser (dashboard/browser) something, by an element that has it as its data."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st


def show_mark(kind: str, value: str = "", *, class_: str = "", width: Any = "stretch", **data: str) -> None:
    """Draws an element without a text: `data-taskyard-<kind>` with a value, and further data. Values are escaped."""
    parts = {f"taskyard-{kind}": value, **data}
    attributes = " ".join(f'data-{name}="{escape(text)}"' for name, text in parts.items())
    st.html(f'<span class="{escape(class_)}" {attributes}></span>', width=width)
