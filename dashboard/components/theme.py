"""Provides the theme's colours for charts, which are drawn by the server and not by the page."""

from __future__ import annotations

from functools import lru_cache

import streamlit as st

_FALLBACK = "#64748b"


def is_dark() -> bool:
    """Returns True if the viewer sees the dark theme."""
    return st.context.theme.type == "dark"


def color(name: str) -> str:
    """Returns a colour of the theme in `.streamlit/config.toml` by its name (red, gray, text, border, …), as CSS."""
    return configured("dark" if is_dark() else "light", name)


@lru_cache
def configured(mode: str, name: str) -> str:
    """Returns a colour of a theme, "dark" or "light"."""
    return str(st.get_option(f"theme.{mode}.{name}Color") or _FALLBACK)


def mixed(one: str, other: str, share: float) -> str:
    """Returns the colour (#rrggbb) between two."""
    parts = [(int(one[n : n + 2], 16), int(other[n : n + 2], 16)) for n in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in parts)
