"""Keeps from viewers what they may not see, also if they lose the permission while a page is open."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from taskyard.core.access.identity import Actor
from taskyard.core.errors import NotPermitted
from taskyard.dashboard.components.permitted import reason_of, show_barred
from taskyard.dashboard.data.viewer import SEEN_SECONDS, Presence, presence, viewer
from taskyard.dashboard.i18n import _
from taskyard.dashboard.navigation import View


def show_barred_page(view: View, lack: NotPermitted) -> None:
    """Shows in the place of a page why the viewer may not see it."""
    st.title(_(view.title))
    show_barred(reason_of(lack), is_page=True)


def watch(drawn_for: Actor) -> None:
    """Draws the whole page again, within seconds, once the viewer may do something else than when it was drawn.

    It does so whatever the page is, and also while the viewer has paused its refreshes.
    """

    @st.fragment(run_every=SEEN_SECONDS, key="watch")
    def look() -> None:
        # a page whose session has ended is kept as it is by session_end: what is typed in it stays
        if presence() is Presence.IN and _rights(viewer()) != _rights(drawn_for):
            st.rerun(scope="app")

    look()


def _rights(who: Actor) -> Actor:
    return replace(who, name="", via="")
