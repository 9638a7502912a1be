"""Shows that the viewer's session has ended, and the way back to where they were."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from taskyard.core.errors import TaskyardError
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.data import viewer
from taskyard.dashboard.data.viewer import Presence
from taskyard.dashboard.i18n import _
from taskyard.dashboard.shell.frame import SESSION_END_KEY

LOOK_SECONDS = 1.0  # between two looks whether the viewer has signed in again
WATCH_SECONDS = 3.0  # between two looks whether the viewer is still in, on pages that do not refresh themselves


def may_show_page() -> bool:
    """Returns True if the requested page is to be drawn, under a dialog if the session has just ended by itself.

    The page stays as it is under the dialog, with everything typed in it. It shows what was read before, and every
    action is refused. A session that somebody ended shows nothing any more.
    """
    presence = viewer.presence()
    if presence is Presence.IN:
        st.session_state.pop(SESSION_END_KEY, None)
        return True
    st.session_state[SESSION_END_KEY] = True
    if presence is Presence.EXPIRED and viewer.may_be_drawn():
        try:
            page = viewer.waiting_page()
        except TaskyardError as error:
            st.error(escaped(translate(error), 300))
            return False
        if page:
            _show_dialog(page)
            return True
    _show_end()
    return False


def watch() -> None:
    """Has the page say so soon after the session has ended, or at once if an action of this run met with that."""
    if viewer.has_just_ended():
        st.rerun()
    if not viewer.is_for_signed_in_only() or st.session_state.get(SESSION_END_KEY):
        return

    @st.fragment(run_every=WATCH_SECONDS)
    def look() -> None:
        if viewer.has_just_ended() or viewer.presence() is not Presence.IN:
            st.rerun()

    look()


def _show_dialog(page: str) -> None:
    @st.dialog(_("Your session has ended"), icon=":material/lock_clock:", dismissible=False)
    def show() -> None:
        st.text(
            _(
                "Sign in again, in a new tab, as the same user. This page then goes on by itself, with everything "
                "that you have typed."
            )
        )
        st.link_button(_("Sign in"), f"sign-in?{urlencode({'page': page})}", icon=":material/login:", type="primary")

        @st.fragment(run_every=LOOK_SECONDS)
        def look() -> None:
            if viewer.presence() is Presence.IN:
                st.rerun()

        look()

    show()


def _show_end() -> None:
    # headings and Markdown only: the browser may load no further part of Streamlit's client
    st.title(_("You are signed out"))
    st.markdown(_("Your session has ended. Sign in, and load this page again."))
    st.markdown("[{label}]({address})".format(label=_("Sign in"), address="sign-in"))
