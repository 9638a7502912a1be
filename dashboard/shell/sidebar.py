"""Draws the sidebar: live or paused, the language, and the keyboard shortcuts."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from taskyard.core.translation import LANGUAGES
from taskyard.dashboard.components.sign_in import show_signed_in
from taskyard.dashboard.data.viewer import viewer
from taskyard.dashboard.i18n import LANGUAGE_KEY, _, choose_language, enumerated, labelled
from taskyard.dashboard.kept_choices import show_keeping
from taskyard.dashboard.navigation import VIEWS_BY_NAME, View
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
        everywhere = {JUMP_KEYS: _("Jump to a page, task, queue, agent or type"), "?": _("Show these shortcuts")}
        st.table(
            {keys.replace("+", " + "): what for keys, what in {**everywhere, **_keys_of(views)}.items()},
            border="horizontal",
            alt=_("Keyboard shortcuts"),
        )

    show()


def _keys_of(views: Iterable[View]) -> dict[str, str]:
    """Returns what keys do on some pages; a key that does the same on several is listed once."""
    pages: dict[str, dict[str, list[str]]] = {}
    for view in views:
        for keys, what in view.shortcuts:
            pages.setdefault(keys, {}).setdefault(_(what), []).append(_(view.title))
    return {
        keys: enumerated(labelled(enumerated(titles), what) for what, titles in effects.items())
        for keys, effects in pages.items()
    }
