"""Draws people, services and agents, and changes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from taskyard.core.access.identity import EVERY
from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import MAX_NOTE_LENGTH, Kind
from taskyard.core.access.tokens import DEFAULT_DAYS
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import N_, msg
from taskyard.core.submission.form_values import number_text, parse_number
from taskyard.dashboard.components.dialogs import ask
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.tables import show_table, table_height
from taskyard.dashboard.components.times import time_column
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.forms.field_widgets import number_field
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.access import data
from taskyard.dashboard.pages.access.data import Principal

ROLES: Mapping[str, str] = {
    Role.VIEWER: N_("viewer: sees tasks and figures, not what is in them"),
    Role.SUBMITTER: N_("submitter: sees everything and submits tasks"),
    Role.OPERATOR: N_("operator: also changes tasks, queues, agents and alerts"),
    Role.ADMIN: N_("admin: also submits code and manages access"),
}
KINDS: Mapping[str, str] = {Kind.PERSON: N_("person"), Kind.SERVICE: N_("service"), Kind.AGENT: N_("agent")}
CHOSEN_KEY, MADE_KEY, REQUESTED_KEY = "access_chosen", "access_made", "access_asked"
PICK_WIDTH_PX = 320
_BETWEEN = re.compile(r"[\s,]+")


def show_people(found: Sequence[Principal]) -> None:
    """Shows a row for each, and the actions for the chosen one."""
    if not found:
        show_nothing(_("Nobody is known by name yet. Create a person, a service such as CI, or an agent."), "group")
        return
    _show_table(found)
    names = [one.name for one in found]
    if st.session_state.get(CHOSEN_KEY) not in names:
        st.session_state[CHOSEN_KEY] = None
    name = st.selectbox(
        _("Edit"), names, index=None, key=CHOSEN_KEY, placeholder=_("Choose by name"), width=PICK_WIDTH_PX
    )
    chosen = next((one for one in found if one.name == name), None)
    if chosen is not None:
        _show_actions(chosen)


def show_new() -> None:
    """Shows the button that creates a principal."""
    if st.button(_("New person, service or agent"), icon=":material/person_add:", key="access_new"):
        _request("new", "")


def open_requested(found: Sequence[Principal]) -> None:
    """Opens the dialog that a button requested, outside of the section that refreshes itself."""
    asked, name = st.session_state.pop(REQUESTED_KEY, ("", ""))
    known = next((one for one in found if one.name == name), None)
    if asked == "new":
        _ask_new()
    elif known is not None:
        dialogs = {
            "role": _ask_role,
            "disable": _ask_disable,
            "enable": _ask_enable,
            "password": _ask_password,
            "token": _ask_token,
            "sessions": _ask_sessions,
        }
        dialogs[asked](known)
    if MADE_KEY in st.session_state:
        _show_made(*st.session_state.pop(MADE_KEY))


def role_word(role: str | None) -> str:
    """Returns a role in the viewer's language with what it may do; one of a newer release as it is."""
    return _(ROLES[role]) if role is not None and role in ROLES else str(role or "")


def _request(what: str, name: str) -> None:
    st.session_state[REQUESTED_KEY] = (what, name)
    st.rerun()


def _show_table(found: Sequence[Principal]) -> None:
    rows = [
        {
            "name": one.name,
            "kind": _(KINDS[one.kind]),
            "role": one.role,
            "queues": ", ".join(one.queues),
            "types": ", ".join(one.types),
            "password": _("yes") if one.has_password else "",
            "disabled": one.disabled_at,
            "created": one.created_at,
            "by": one.created_by,
        }
        for one in found
    ]
    frame = pd.DataFrame(rows)
    frame["disabled"] = pd.to_datetime(frame["disabled"], utc=True)
    show_table(
        frame,
        alt=_("People, services and agents"),
        columns={
            "name": st.column_config.TextColumn(_("Name"), pinned=True, width=150),
            "kind": st.column_config.TextColumn(_("Kind"), width=80),
            "role": st.column_config.TextColumn(_("Role"), width=90),
            "queues": st.column_config.TextColumn(_("Queues"), width=140),
            "types": st.column_config.TextColumn(_("Task types"), width=140),
            "password": st.column_config.TextColumn(_("Password"), width=90),
            "disabled": time_column(_("Disabled")),
            "created": time_column(_("Created")),
            "by": st.column_config.TextColumn(_("By"), width=150),
        },
        key="access_people",
        height=table_height(len(rows)),
    )


def _show_actions(one: Principal) -> None:
    st.caption(role_word(one.role))
    actions = [("role", _("Change the role"), "badge")]
    if one.disabled_at is None:
        if one.kind is Kind.PERSON:
            actions.append(("password", _("Set a password"), "password"))
        actions.append(("token", _("Make a token"), "key"))
        actions.append(("sessions", _("End all sessions"), "logout"))
        actions.append(("disable", _("Disable"), "block"))
    else:
        actions.append(("enable", _("Enable"), "check_circle"))
    with st.container(horizontal=True, gap="small"):
        for what, label, icon in actions:
            if st.button(label, icon=f":material/{icon}:", key=f"access_{what}"):
                _request(what, one.name)


def _ask_new() -> None:
    def fields() -> tuple[str, str, str, list[str], list[str]]:
        name = st.text_input(_("Name"), max_chars=64, key="access_new_name", help=_("Letters A to Z, digits and ._@+-"))
        kind = st.selectbox(_("Kind"), list(KINDS), format_func=lambda kind: _(KINDS[kind]), key="access_new_kind")
        role, queues, types = _role_fields("new", Role.VIEWER, (EVERY,), (EVERY,))
        st.caption(_("A password or a token then lets it in."))
        return (name or "").strip(), kind or Kind.PERSON, role, queues, types

    def act(answer: tuple[str, str, str, list[str], list[str]], _reason: str) -> str:
        data.create(*answer)
        return _("{name} is created.").format(name=escaped(answer[0]))

    ask("access_new", _("New person, service or agent"), fields, act, label=_("Create"), has_reason=False)


def _ask_role(one: Principal) -> None:
    def fields() -> tuple[str, list[str], list[str]]:
        _show_who(one)
        answer = _role_fields(one.name, one.role, one.queues, one.types)
        st.caption(_("It takes effect within seconds, also in pages that are open."))
        return answer

    def act(answer: tuple[str, list[str], list[str]], _reason: str) -> str:
        is_changed = data.change_role(one.name, *answer)
        return _("The role is changed.") if is_changed else _("No change: already in that state")

    ask(f"access_role_{one.name}", _("Change the role"), fields, act, label=_("Edit"), has_reason=False)


def _ask_disable(one: Principal) -> None:
    def fields() -> None:
        _show_who(one)
        text = _(
            "All sessions end at once, and all tokens are refused until it is enabled again. "
            "The hooks that it made are disabled, too."
        )
        st.markdown(text)

    def act(_answer: None, _reason: str) -> str:
        return _("Disabled.") if data.disable(one.name) else _("No change: already in that state")

    ask(f"access_disable_{one.name}", _("Disable?"), fields, act, label=_("Disable"), has_reason=False)


def _ask_enable(one: Principal) -> None:
    def fields() -> None:
        _show_who(one)
        st.markdown(_("It may come in again, also by tokens from before that are still valid."))

    def act(_answer: None, _reason: str) -> str:
        return _("Enabled.") if data.enable(one.name) else _("No change: already in that state")

    ask(f"access_enable_{one.name}", _("Enable?"), fields, act, label=_("Enable"), has_reason=False)


def _ask_password(one: Principal) -> None:
    def fields() -> tuple[str, str]:
        _show_who(one)
        st.markdown(_("Sessions by the former password end at once."))
        first = st.text_input(_("Password"), type="password", key="access_password_1", autocomplete="new-password")
        again = st.text_input(_("Again"), type="password", key="access_password_2", autocomplete="new-password")
        return first or "", again or ""

    def act(answer: tuple[str, str], _reason: str) -> str:
        if answer[0] != answer[1]:
            raise SubmissionError("password", "***", msg("the same text twice"))
        data.set_password(one.name, answer[0])
        return _("The password is set.")

    ask(f"access_password_{one.name}", _("Set a password"), fields, act, label=_("Set"), has_reason=False)


def _ask_token(one: Principal) -> None:
    def fields() -> tuple[str, str]:
        _show_who(one)
        st.markdown(_("The token lets a script in with this role. It is shown once; only its hash is kept."))
        days = number_field(_("Valid for days"), "access_days", value=number_text(DEFAULT_DAYS))
        note = st.text_input(
            _("What it is for"), max_chars=MAX_NOTE_LENGTH, key="access_note", placeholder=_("optional")
        )
        return days, note or ""

    def act(answer: tuple[str, str], _reason: str) -> str:
        text, made = data.make_token(one.name, parse_number("days", answer[0]), answer[1])
        st.session_state[MADE_KEY] = (one.name, text, made)
        return _("The token is made.")

    ask(f"access_token_{one.name}", _("Make a token"), fields, act, label=_("Make"), has_reason=False)


def _ask_sessions(one: Principal) -> None:
    def fields() -> None:
        _show_who(one)
        st.markdown(_("Every browser that is signed in by this name is signed out at once. Tokens stay valid."))

    def act(_answer: None, _reason: str) -> str:
        count = data.end_sessions(one.name)
        return ngettext("{count} session ended.", "{count} sessions ended.", count).format(count=count)

    ask(f"access_sessions_{one.name}", _("End all sessions?"), fields, act, label=_("End all"), has_reason=False)


def _show_made(name: str, text: str, made: data.Token) -> None:
    """Opens a dialog with a new token: this once, as it is kept nowhere."""

    @st.dialog(_("Token of {name}").format(name=escaped(name)), icon=":material/key:")
    def show() -> None:
        st.markdown(_("Copy it now: it can't be shown again."))
        st.code(text, language=None, wrap_lines=True)
        st.caption(_("Valid until {time}").format(time=escaped(shown_time(made.expires_at))))

    show()


def _show_who(one: Principal) -> None:
    st.markdown(f"**{escaped(one.name)}** · {_(KINDS[one.kind])}")


def _role_fields(name: str, role: str, queues: Sequence[str], types: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """Shows a role and what it is narrowed to; returns their values."""
    roles = list(ROLES)
    chosen = st.selectbox(
        _("Role"),
        roles,
        index=roles.index(Role(role)) if role in ROLES else 0,
        format_func=role_word,
        key=f"access_role_of_{name}",
    )
    help_ = _("Patterns such as `reports-*`, separated by spaces; `*` for all.")
    some_queues = st.text_input(_("Queues"), " ".join(queues), key=f"access_queues_of_{name}", help=help_)
    help_ = _("Patterns such as `analysis.*`, separated by spaces; `*` for all.")
    some_types = st.text_input(_("Task types"), " ".join(types), key=f"access_types_of_{name}", help=help_)
    return str(chosen or role), _patterns(some_queues), _patterns(some_types)


def _patterns(text: str | None) -> list[str]:
    return [pattern for pattern in _BETWEEN.split(text or "") if pattern]
