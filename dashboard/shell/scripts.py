"""Loads our own scripts and styles into the page."""

from __future__ import annotations

import streamlit as st

from taskyard.core.paths import FILES
from taskyard.dashboard.components.theme import color

STYLE = (FILES / "dashboard" / "static" / "console.css").read_text(encoding="utf-8")
COLORS = ("background", "border")
SCRIPTS = ("history.js", "keyboard.js")


def load_scripts() -> None:
    """Loads them; a script that runs already stays as it is."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    colors = "".join(f"--console-{name}: {color(name)};" for name in COLORS)
    tags = "".join(
        f'<script type="module" src="{f"/{base}" if base else ""}/console/{name}"></script>' for name in SCRIPTS
    )
    with st.container(key="scripts"):
        st.html(f"<style>:root {{{colors}}}{STYLE}</style>")
        st.html(f"<span>{tags}</span>", unsafe_allow_javascript=True)
