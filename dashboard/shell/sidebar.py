"""Draws the sidebar: live or paused, the language, and the keyboard shortcuts."""

from __future__ import annotations

import streamlit as st

from taskyard.core.translation import LANGUAGES
from taskyard.dashboard.components.sign_in import show_signed_in
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import LANGUAGE_KEY, _, choose_language, labelled
from taskyard.dashboard.kept_choices import show_keeping
from taskyard.dashboard.navigation import VIEWS_BY_NAME
from taskyard.dashboard.shell.frame import LIVE_KEY, REFRESH_SECONDS
from taskyard.dashboard.shell.jump import JUMP_KEYS, show_jump
from taskyard.dashboard.shell.zone import show_zone_switch


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
        show_keeping()
        if st.button(_("Jump to"), icon=":material/keyboard:", shortcut=JUMP_KEYS, key="help", width="stretch"):
            show_jump()
        if st.button(_("Keyboard shortcuts"), icon=":material/help:", key="keys", type="tertiary", help="?"):
            _show_keys()
        show_signed_in()


def _show_keys() -> None:
    """Opens a dialog that lists the keyboard shortcuts."""

    @st.dialog(_("Keyboard shortcuts"), icon=":material/keyboard:")
    def show() -> None:
        who = viewer()
        views = [view for view in VIEWS_BY_NAME.values() if view.lack_of(who) is None]
        own = {keys: labelled(_(view.title), _(what)) for view in views for keys, what in view.shortcuts}
        everywhere = {JUMP_KEYS: _("Jump to a page, task, queue, agent or type"), "?": _("Show these shortcuts")}
        st.table(
            {keys.replace("+", " + "): what for keys, what in {**everywhere, **own}.items()},
            border="horizontal",
            alt=_("Keyboard shortcuts"),
        )

    show()
