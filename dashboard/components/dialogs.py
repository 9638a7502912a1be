"""The dialog that asks before something is done: what will happen, and why it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from taskyard.core.errors import TaskyardError
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.data.texts import MAX_REASON_LENGTH
from taskyard.dashboard.i18n import _

MAX_ERROR_LENGTH = 500
_TOLD_KEY = "asking_told"

Answer = TypeVar("Answer")


def ask(
    name: str,
    title: str,
    fields: Callable[[], Answer],
    act: Callable[[Answer, str], str],
    *,
    label: str,
    is_reason_required: bool = True,
    has_reason: bool = True,
) -> None:
    """Opens a dialog over the page; `name` tells it apart from others, so that each begins empty.

    `fields` draws what will happen and inputs of its own, and returns what they hold. `act` gets that and
    the reason (without `has_reason` none is asked for), does it, and returns what the viewer is told
    afterwards, by `tell`, as Markdown. What it refuses is shown in the dialog, which keeps what was typed.
    """

    @st.dialog(title)
    def dialog() -> None:
        with st.form(f"ask_{name}", border=False):
            answer = fields()
            reason = _ask_why(name, is_reason_required) if has_reason else ""
            is_sent = st.form_submit_button(label, type="primary", key=f"ask_send_{name}")
        if not is_sent:
            return
        if has_reason and is_reason_required and not reason:
            st.error(_("Enter a reason"))
            return
        try:
            st.session_state[_TOLD_KEY] = act(answer, reason)
        except TaskyardError as error:
            st.error(escaped(translate(error), MAX_ERROR_LENGTH))
            return
        st.rerun()

    dialog()


def _ask_why(name: str, is_required: bool) -> str:
    reason = st.text_input(
        _("Reason"),
        max_chars=MAX_REASON_LENGTH,
        key=f"ask_reason_{name}",
        help=_("It is kept in the audit log."),
        placeholder=None if is_required else _("not needed"),
    )
    return (reason or "").strip()


def tell() -> None:
    """Says what was done by the dialog that has just closed; pages that ask call it once."""
    done = st.session_state.pop(_TOLD_KEY, None)
    if done:
        st.toast(done, icon=":material/check:")
