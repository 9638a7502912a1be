"""Tells phones from other devices by what the browser says of itself."""

from __future__ import annotations

import streamlit as st


def is_phone() -> bool:
    """Returns True for the browser of a phone."""
    return "Mobi" in (st.context.headers.get("User-Agent") or "")
