"""Adds our own rules of style to the page."""

from __future__ import annotations

import streamlit as st

from taskyard.core.paths import FILES
from taskyard.dashboard.components.styles import show_style
from taskyard.dashboard.components.theme import configured, is_dark

STYLE = (FILES / "dashboard" / "shell" / "console.css").read_text(encoding="utf-8")
MODES = ("light", "dark")
COLORS = ("background", "border", "gray", "blue", "orange", "red", "violet")


def load_style() -> None:
    """Adds them, with the colours of both themes: the viewer may change it without asking the server for the page."""
    modes = {"": "dark" if is_dark() else "light", **{f"[data-taskyard-theme={mode}]": mode for mode in MODES}}
    colors = "".join(f":root{which} {{{_colors(mode)}}}" for which, mode in modes.items())
    with st.container(key="style"):
        show_style(f"{colors}{STYLE}")


def _colors(mode: str) -> str:
    return "".join(f"--console-{name}: {configured(mode, name)};" for name in COLORS)
