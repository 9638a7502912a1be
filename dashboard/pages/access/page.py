"""Draws the Access page: people, services and agents with their roles, their tokens and their sessions."""

import streamlit as st

from taskyard.core.i18n import N_
from taskyard.dashboard.components.choices import show_choice
from taskyard.dashboard.components.dialogs import tell
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.access import credentials, data, people
from taskyard.dashboard.shell import frame

PARTS = {"people": N_("People and services"), "tokens": N_("Tokens"), "sessions": N_("Sessions")}

frame.header(_("Access"), _("Who may do what. Changes take effect within seconds."))
tell()
with st.container(horizontal=True, vertical_alignment="center"):
    part = show_choice(_("Part"), PARTS, "part", "people")
    if part == "people":
        people.show_new()
if part == "tokens":
    frame.live("access_tokens", data.tokens, credentials.show_tokens, height_px=300)
elif part == "sessions":
    frame.live("access_sessions", data.sessions, credentials.show_sessions, height_px=300)
else:
    frame.live("access_people", data.principals, people.show_people, height_px=300)
people.open_requested(data.principals().value or ())
credentials.open_requested()
