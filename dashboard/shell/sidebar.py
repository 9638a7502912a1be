"""Draws the sidebar: live or paused, the language, and the keyboard shortcuts."""

from __future__ import annotations

import streamlit as st

from taskyard.core.translation import LANGUAGES
from taskyard.dashboard.components.sign_in import show_signed_in
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import LANGUAGE_KEY, _, choose_language, labelled, saved_language
from taskyard.dashboard.navigation import VIEWS_BY_NAME
from taskyard.dashboard.shell.frame import LIVE_KEY, REFRESH_SECONDS
from taskyard.dashboard.shell.zone import show_zone_switch

HELP_KEYS = "Shift+H"
BUTTON_WIDTH_PX = 160
KEEPING = {code: f"![](language?to={code})" for code in LANGUAGES}  # an empty picture, whose answer sets the cookie


def show_sidebar() -> None:
    """Shows the controls under the navigation."""
    with st.sidebar:
        st.toggle(
            _("Live"),
            value=True,
            key=LIVE_KEY,
            persist_state="session",
            help=_("Pages refresh every {seconds:g} s").format(seconds=REFRESH_SECONDS),
        )
        show_zone_switch()
        st.selectbox(
            _("Language"),
            list(LANGUAGES),
            format_func=LANGUAGES.__getitem__,
            key=LANGUAGE_KEY,
            on_change=choose_language,
        )
        if chosen := saved_language():
            st.markdown(KEEPING[chosen])
        if st.button(_("Jump to"), icon=":material/keyboard:", shortcut=HELP_KEYS, key="help", width="stretch"):
            _show_help()
        show_signed_in()


def _show_help() -> None:
    """Opens a dialog that leads to each page by one more key, and lists the pages' own shortcuts."""

    @st.dialog(_("Jump to"), icon=":material/keyboard:")
    def show() -> None:
        who = viewer()
        views = [view for view in VIEWS_BY_NAME.values() if view.lack_of(who) is None]
        st.caption(_("{keys} opens this; then press a page's key.").format(keys=HELP_KEYS.replace("+", " + ")))
        with st.grid(2, min_column_width=BUTTON_WIDTH_PX):
            for view in views:
                if view.key and st.button(
                    _(view.title),
                    icon=f":material/{view.icon}:",
                    key=f"go_{view.name}",
                    shortcut=view.key,
                    width="stretch",
                ):
                    st.switch_page(view.path)
        own = [(keys, view, what) for view in views for keys, what in view.shortcuts]
        if own:
            st.table(
                {keys.replace("+", " + "): labelled(_(view.title), _(what)) for keys, view, what in own},
                border="horizontal",
                alt=_("Keyboard shortcuts of pages"),
            )

    show()
