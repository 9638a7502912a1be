"""Provides dialogs: one that shows the effect of an action and asks for a reason, one that shows a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import streamlit as st

from taskyard.core.errors import TaskyardError
from taskyard.core.payload.typed_text import MAX_REASON_LENGTH
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _

MAX_ERROR_LENGTH = 500
_RESULT_KEY, _OPEN_KEY = "asking_told", "dialog_open"

Answer = TypeVar("Answer")
DialogWidth = Literal["small", "medium", "large"]


def opened(title: str, body: Callable[[], None], **options: Any) -> None:
    """Opens a dialog with this body, which a page that follows what it shows leaves open (see `rerun_unless_open`)."""
    st.session_state[_OPEN_KEY] = True
    st.dialog(title, on_dismiss=note_all_closed, **options)(body)()


def rerun_unless_open() -> None:
    """Runs the whole page again, for a section that refreshes itself; not while a dialog is open, which would close
    with all that is typed in it: the section comes back to it.
    """
    if not st.session_state.get(_OPEN_KEY):
        st.rerun()


def note_all_closed() -> None:
    """Notes that no dialog is open, as at the beginning of each run of a whole page."""
    st.session_state.pop(_OPEN_KEY, None)


def ask(
    name: str,
    title: str,
    fields: Callable[[], Answer],
    act: Callable[[Answer, str], str],
    *,
    label: str,
    is_reason_required: bool = True,
    has_reason: bool = True,
    width: DialogWidth = "small",
    is_live: bool = False,
) -> None:
    """Opens a dialog over the page; `name` tells it apart from others, so that each begins empty.

    `fields` draws the effect and its own inputs, and returns their values. `act` gets these and the reason (without
    `has_reason` none is asked for), acts, and returns the message that `tell` then shows, as Markdown. An error of
    `act` is shown in the dialog, which keeps its inputs. With `is_live` the dialog is drawn anew at each change, so
    that `fields` can say what the values so far would do.
    """

    def dialog() -> None:
        with st.container() if is_live else st.form(f"ask_{name}", border=False):
            answer = fields()
            reason = _ask_reason(name, is_reason_required) if has_reason else ""
            button = st.button if is_live else st.form_submit_button
            is_sent = button(label, type="primary", key=f"ask_send_{name}")
        if not is_sent:
            return
        if has_reason and is_reason_required and not reason:
            st.error(_("Enter a reason"))
            return
        try:
            st.session_state[_RESULT_KEY] = act(answer, reason)
        except TaskyardError as error:
            st.error(escaped(translate(error), MAX_ERROR_LENGTH))
            return
        st.rerun()

    opened(title, dialog, width=width)


def show_page(title: str, text: str, note: str = "") -> None:
    """Opens a dialog that shows a page of our own, under a note; `text` is Markdown."""

    @st.dialog(title, width="large")
    def dialog() -> None:
        if note:
            st.caption(note)
        st.markdown(text)

    dialog()


def _ask_reason(name: str, is_required: bool) -> str:
    reason = st.text_input(
        _("Reason"),
        max_chars=MAX_REASON_LENGTH,
        key=f"ask_reason_{name}",
        help=_("Kept in the audit log."),
        placeholder=None if is_required else _("optional"),
    )
    return (reason or "").strip()


def close_with(text: str) -> None:
    """Closes the dialog that is open; `tell` then shows this message, as Markdown."""
    st.session_state[_RESULT_KEY] = text
    st.rerun()


def tell() -> None:
    """Shows the result of the dialog that has just closed; pages with dialogs call it once."""
    done = st.session_state.pop(_RESULT_KEY, None)
    if done:
        st.toast(done, icon=":material/check:")
