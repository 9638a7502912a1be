"""Draws tokens and sessions, and ends them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from taskyard.core.i18n import N_
from taskyard.dashboard.components.dialogs import ask
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.markdown_escape import escaped, one_line
from taskyard.dashboard.components.tables import show_table, table_height
from taskyard.dashboard.components.times import time_column
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data import base
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.access import data
from taskyard.dashboard.pages.access.data import Session, Token

PICK_WIDTH_PX = 420
REQUESTED_KEY = "access_credential"
MARKS = {"valid": N_("valid"), "expired": N_("expired"), "revoked": N_("revoked")}


def show_tokens(found: Sequence[Token]) -> None:
    """Shows a row for each token, and the button that revokes the chosen one."""
    if not found:
        show_nothing(_("No tokens. Choose somebody under People and services to make one."), "key_off")
        return
    now = base.now()
    rows = [
        {
            "id": one.id,
            "of": one.name,
            "state": _(MARKS[state_of(one, now)]),
            "note": one_line(one.note),
            "until": one.expires_at,
            "used": one.last_used_at,
            "created": one.created_at,
            "by": one_line(one.created_by),
        }
        for one in found
    ]
    frame = pd.DataFrame(rows)
    frame["used"] = pd.to_datetime(frame["used"], utc=True)
    show_table(
        frame,
        alt=_("Tokens, newest first"),
        columns={
            "id": st.column_config.TextColumn(_("Id"), width=120, pinned=True),
            "of": st.column_config.TextColumn(_("Name"), width=140),
            "state": st.column_config.TextColumn(_("State"), width=80),
            "note": st.column_config.TextColumn(_("What it is for"), width=180),
            "until": time_column(_("Valid until")),
            "used": time_column(_("Last used")),
            "created": time_column(_("Created")),
            "by": st.column_config.TextColumn(_("By"), width=150),
        },
        key="access_tokens",
        height=table_height(len(rows)),
    )
    valid = {
        one.id: f"{one.name} · {one.id} · {one.note}".rstrip(" ·") for one in found if state_of(one, now) == "valid"
    }
    if valid:
        _show_end("token", _("Revoke a token"), valid, _("Revoke"))


def show_sessions(found: Sequence[Session]) -> None:
    """Shows a row for each browser that is signed in, and the button that signs the chosen one out."""
    if not found:
        show_nothing(_("Nobody is signed in."), "no_accounts")
        return
    rows = [
        {
            "id": one.id,
            "who": one_line(one.who),
            "via": one.via,
            "role": one.role or "",
            "since": one.signed_in_at,
            "seen": one.seen_at,
            "until": one.expires_at,
        }
        for one in found
    ]
    show_table(
        pd.DataFrame(rows),
        alt=_("Sessions, newest first"),
        columns={
            "id": st.column_config.TextColumn(_("Id"), width=140, pinned=True),
            "who": st.column_config.TextColumn(_("Who"), width=160),
            "via": st.column_config.TextColumn(_("Signed in by"), width=100),
            "role": st.column_config.TextColumn(_("Role"), width=90),
            "since": time_column(_("Signed in at")),
            "seen": time_column(_("Last seen")),
            "until": time_column(_("Ends at the latest")),
        },
        key="access_sessions_table",
        height=table_height(len(rows)),
    )
    known = {one.id: f"{one.who} · {one.via} · {shown_time(one.signed_in_at)} · {one.id}" for one in found}
    _show_end("session", _("End a session"), known, _("End session"))


def state_of(token: Token, now: datetime) -> str:
    """Returns valid, expired or revoked."""
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at <= now else "valid"


def open_requested() -> None:
    """Opens the dialog that a button requested, outside of the section that refreshes itself."""
    what, id_, label = st.session_state.pop(REQUESTED_KEY, ("", "", ""))
    if what == "token":
        effect = _("What uses it is refused from now on. A revoked token can't be made valid again.")
        _ask_end(id_, label, _("Revoke the token?"), effect, _("Revoke"), _("The token is revoked."))
    elif what == "session":
        effect = _("That browser is signed out at once.")
        _ask_end(id_, label, _("End the session?"), effect, _("End session"), _("The session has ended."))


def _show_end(what: str, title: str, labels: dict[str, str], label: str) -> None:
    key = f"access_{what}_chosen"
    if st.session_state.get(key) not in labels:
        st.session_state[key] = None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        id_ = st.selectbox(
            title,
            list(labels),
            index=None,
            format_func=lambda id_: labels.get(id_, id_),
            key=key,
            placeholder=_("Choose one"),
            width=PICK_WIDTH_PX,
        )
        if st.button(label, icon=":material/block:", key=f"access_end_{what}", disabled=id_ is None) and id_:
            st.session_state[REQUESTED_KEY] = (what, id_, labels[id_])
            st.rerun()


def _ask_end(id_: str, label: str, title: str, effect: str, press: str, done: str) -> None:
    def fields() -> None:
        st.markdown(f"**{escaped(label, 200)}**")
        st.markdown(effect)

    def act(_answer: None, _reason: str) -> str:
        return done if data.revoke(id_) else _("No change: already in that state")

    ask(f"access_end_{id_}", title, fields, act, label=press, has_reason=False)
