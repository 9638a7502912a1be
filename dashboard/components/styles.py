"""Gives the page rules of style where Streamlit has no setting for a look."""

from __future__ import annotations

import streamlit as st


def show_style(rules: str) -> None:
    """Applies rules of style that are our own: nothing that others wrote may be in them unescaped. It takes no room."""
    st.html(f"<style>{rules}</style>")
