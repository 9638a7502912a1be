"""Adds our own rules of style to the page."""

from __future__ import annotations

import streamlit as st

from taskyard.core.paths import FILES
from taskyard.dashboard.components.styles import show_style
from taskyard.dashboard.components.theme import color

STYLE = (FILES / "dashboard" / "shell" / "console.css").read_text(encoding="utf-8")
COLORS = ("background", "border", "gray", "blue", "orange", "red", "violet")


def load_style() -> None:
    """Adds them, with the colours of the viewer's theme."""
    colors = "".join(f"--console-{name}: {color(name)};" for name in COLORS)
    with st.container(key="style"):
        show_style(f":root {{{colors}}}{STYLE}")
