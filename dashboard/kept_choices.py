"""Keeps choices of a viewer in the browser, by a cookie each: the language, and whether times are in UTC."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from taskyard.core.access.request_guard import parse_authority
from taskyard.core.translation import LANGUAGES

LANGUAGE, ZONE = "language", "zone"
UTC_ZONE, BROWSER_ZONE = "utc", "browser"
CHOICES: Mapping[str, tuple[str, ...]] = {LANGUAGE: tuple(LANGUAGES), ZONE: (UTC_ZONE, BROWSER_ZONE)}
DEFAULT_PORT = 80


def kept(choice: str) -> str | None:
    """Returns what this browser keeps of a choice; None if nothing, or nothing that is known."""
    value = st.context.cookies.get(cookie_name(choice, st.context.headers.get("host") or ""))
    return value if value in CHOICES[choice] else None


def keep(choice: str, value: str) -> None:
    """Has this browser keep a choice of this session, from the next `show_keeping` on."""
    st.session_state[f"kept_{choice}"] = value


def show_keeping() -> None:
    """Shows an empty picture for each choice of this session; its answer sets the cookie."""
    for choice in CHOICES:
        if value := st.session_state.get(f"kept_{choice}"):
            st.markdown(f"![]({choice}?to={value})")


def cookie_name(choice: str, host: str) -> str:
    """Returns the name of the cookie with a choice: browsers share cookies between all ports of a host."""
    authority = parse_authority(host)
    return f"taskyard_{choice}_{(authority and authority.port) or DEFAULT_PORT}"
