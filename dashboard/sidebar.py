"""What stands beside every page: live or paused, the language, and the keyboard's shortcuts."""

from __future__ import annotations

import streamlit as st

from dashboard.frame import LIVE_KEY, REFRESH_SECONDS
from dashboard.i18n import LANGUAGE_KEY, LANGUAGES, _, browser_language
from dashboard.pages import VIEWS_BY_NAME, View

MODIFIER = "Alt"


def show_sidebar() -> None:
    """The controls under the navigation."""
    with st.sidebar:
        st.toggle(
            _("Live"),
            value=True,
            key=LIVE_KEY,
            persist_state="session",
            help=_("Pages refresh themselves every {seconds:g} s").format(seconds=REFRESH_SECONDS),
        )
        codes = list(LANGUAGES)
        st.selectbox(
            _("Language"),
            codes,
            index=codes.index(browser_language()),
            format_func=LANGUAGES.__getitem__,
            key=LANGUAGE_KEY,
            bind="query-params",
        )
        if st.button(_("Keyboard shortcuts"), icon=":material/keyboard:", shortcut="Shift+H", key="help"):
            _show_shortcuts()
    _listen()


def _listen() -> None:
    """A button for each page, out of sight, that its key presses."""
    with st.sidebar, st.expander(_("Go to"), icon=":material/keyboard_command_key:", expanded=False):
        for view in VIEWS_BY_NAME.values():
            if view.key and st.button(
                _(view.title),
                icon=f":material/{view.icon}:",
                key=f"go_{view.name}",
                type="tertiary",
                shortcut=f"{MODIFIER}+{view.key}",
            ):
                st.switch_page(view.path)


def _show_shortcuts() -> None:
    @st.dialog(_("Keyboard shortcuts"))
    def shortcuts() -> None:
        rows = {f"{MODIFIER} + {view.key}": _shown(view) for view in VIEWS_BY_NAME.values() if view.key}
        for view in VIEWS_BY_NAME.values():
            rows |= {keys.replace("+", " + "): f"{_(view.title)}: {_(what)}" for keys, what in view.shortcuts}
        st.table({**rows, "Shift + H": _("This help")}, border="horizontal", alt=_("Keyboard shortcuts"))

    shortcuts()


def _shown(view: View) -> str:
    return f":material/{view.icon}: {_(view.title)}"
