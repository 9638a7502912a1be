"""Opens the dialogs that make, change and remove webhooks and hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import streamlit as st

from taskyard.core.payload.typed_text import MAX_REASON_LENGTH
from taskyard.core.states import Priority
from taskyard.core.webhooks.hook import MAX_SECRET_LENGTH, Hook
from taskyard.core.webhooks.schemes import Scheme
from taskyard.core.webhooks.webhook import MAX_URL_LENGTH, OUTCOMES, Webhook
from taskyard.dashboard.components.dialogs import ask
from taskyard.dashboard.components.states import word
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.webhooks import data

SECRET_KEY = "webhooks_secret"  # a name and its new secret, shown until it is put away
EXAMPLE_TEMPLATE = '{\n  "value": "{{ body.repository.full_name }}"\n}'
EXAMPLE_URL = "https://hooks.example.com/taskyard"
PRIORITIES = [priority.label for priority in Priority]
MAX_NAME_LENGTH = 64
TEMPLATE_HEIGHT_PX = 200


def ask_webhook(one: Webhook | None) -> None:
    """Opens the dialog that makes a webhook, or changes one."""
    name = "new" if one is None else one.name

    def fields() -> tuple[str, dict[str, Any]]:
        chosen = (
            name if one is not None else _text(_("Name"), "webhook_name", help=_("Lower-case letters, digits or ._-"))
        )
        url = st.text_input(
            "URL",
            "" if one is None else one.url,
            max_chars=MAX_URL_LENGTH,
            key=f"webhook_url_{name}",
            placeholder=EXAMPLE_URL,
        )
        outcomes = st.multiselect(
            _("Tell of tasks that are"),
            OUTCOMES,
            default=OUTCOMES if one is None else one.outcomes,
            format_func=word,
            key=f"webhook_outcomes_{name}",
        )
        queues = _patterns(_("Queues"), f"webhook_queues_{name}", ("*",) if one is None else one.queues)
        types = _patterns(_("Task types"), f"webhook_types_{name}", ("*",) if one is None else one.types)
        has_output = st.checkbox(
            _("Send outputs along"), value=one is not None and one.has_output, key=f"webhook_output_{name}"
        )
        given = {"url": url, "outcomes": outcomes, "queues": queues, "types": types, "has_output": has_output}
        return chosen, given

    def act(answer: tuple[str, dict[str, Any]], _reason: str) -> str:
        chosen, given = answer
        if one is None:
            _keep(chosen, data.create_webhook(chosen, given))
            return _("Webhook created")
        return _("Webhook changed") if data.change_webhook(chosen, given) else _("No change")

    title, label = (_("New webhook"), _("Create")) if one is None else (_("Change a webhook"), _("Edit"))
    ask(f"webhook_{name}", title, fields, act, label=label, has_reason=False)


def ask_hook(one: Hook | None) -> None:
    """Opens the dialog that makes a hook, or changes one."""
    name = "new" if one is None else one.name

    def fields() -> tuple[str, dict[str, Any]]:
        chosen = name
        given: dict[str, Any] = {}
        if one is None:
            chosen = _text(_("Name"), "hook_name", help=_("Lower-case letters, digits or ._-"))
            schemes = [scheme.value for scheme in Scheme]
            given["scheme"] = st.selectbox(_("Signed by"), schemes, key="hook_scheme", format_func=_scheme_word)
        types = data.type_names()
        index = types.index(one.type) if one is not None and one.type in types else None
        given["type"] = st.selectbox(
            _("Task type"), types, index=index, accept_new_options=True, key=f"hook_type_{name}"
        ) or ("" if one is None else one.type)
        given["queue"] = _text(_("Queue"), f"hook_queue_{name}", "default" if one is None else one.queue)
        at = PRIORITIES.index(Priority.MEDIUM.label if one is None else one.priority)
        given["priority"] = st.selectbox(
            _("Priority"), PRIORITIES, index=at, format_func=word, key=f"hook_priority_{name}"
        )
        given["events"] = _patterns(_("Events"), f"hook_events_{name}", ("*",) if one is None else one.events)
        given["template"] = st.text_area(
            _("Input of the task"),
            EXAMPLE_TEMPLATE if one is None else orjson.dumps(one.template, option=orjson.OPT_INDENT_2).decode(),
            height=TEMPLATE_HEIGHT_PX,
            key=f"hook_template_{name}",
            help=_("JSON, in which `{{ body.… }}` stands for a part of what is sent."),
        )
        if one is None:
            given["secret"] = _secret_field("hook_secret_new")
        return chosen, given

    def act(answer: tuple[str, dict[str, Any]], _reason: str) -> str:
        chosen, given = answer
        if one is not None:
            return _("Hook changed") if data.change_hook(chosen, given) else _("No change")
        secret = data.create_hook(chosen, given)
        if given["secret"] is None:
            _keep(chosen, secret)
        return _("Hook created")

    title, label = (_("New hook"), _("Create")) if one is None else (_("Change a hook"), _("Edit"))
    ask(f"hook_{name}", title, fields, act, label=label, has_reason=False)


def ask_to_rotate(name: str, *, is_hook: bool) -> None:
    """Opens the dialog that replaces a secret."""

    def fields() -> str | None:
        st.text(name)
        st.caption(_("The former secret stays valid for 24 hours beside the new one."))
        return _secret_field(f"hook_secret_{name}") if is_hook else None

    def act(given: str | None, _reason: str) -> str:
        secret = data.rotate_hook(name, given) if is_hook else data.rotate_webhook(name)
        if given is None:
            _keep(name, secret)
        return _("The secret is replaced")

    ask(f"rotate_{is_hook}_{name}", _("New secret"), fields, act, label=_("Replace"), has_reason=False)


def ask_to_disable(name: str, *, is_hook: bool) -> None:
    """Opens the dialog that disables a webhook or hook."""

    def fields() -> str:
        st.text(name)
        if is_hook:
            st.caption(_("Every call is refused until it is enabled again."))
            return ""
        st.caption(_("Nothing is sent until it is enabled again. What ends meanwhile is never told."))
        reason = st.text_input(_("Reason"), max_chars=MAX_REASON_LENGTH, key=f"disable_reason_{name}")
        return (reason or "").strip()

    def act(reason: str, _reason: str) -> str:
        if is_hook:
            is_changed = data.switch_hook(name, is_disabled=True)
        else:
            is_changed = data.switch_webhook(name, is_disabled=True, reason=reason)
        return _("Disabled") if is_changed else _("No change")

    ask(f"disable_{is_hook}_{name}", _("Disable"), fields, act, label=_("Disable"), has_reason=False)


def ask_to_enable(name: str, *, is_hook: bool) -> None:
    """Opens the dialog that enables a webhook or hook."""

    def act() -> bool:
        return data.switch_hook(name, is_disabled=False) if is_hook else data.switch_webhook(name, is_disabled=False)

    note = (
        _("Calls are accepted again.")
        if is_hook
        else _("Messages that still wait are sent, and what ends from now on.")
    )
    _ask_simply(f"enable_{is_hook}_{name}", _("Enable"), name, note, act, _("Enabled"))


def ask_to_delete(name: str, *, is_hook: bool) -> None:
    """Opens the dialog that removes a webhook or hook."""

    def act() -> bool:
        return data.delete_hook(name) if is_hook else data.delete_webhook(name)

    note = (
        _("Every call is refused from now on.") if is_hook else _("Its deliveries are removed, too, also pending ones.")
    )
    _ask_simply(f"delete_{is_hook}_{name}", _("Remove"), name, note, act, _("Removed"))


def show_secret() -> None:
    """Shows a secret that was just made, until it is put away: it can't be shown again."""
    kept = st.session_state.get(SECRET_KEY)
    if kept is None:
        return
    name, secret = kept
    with st.container(border=True, key="new_secret"):
        st.markdown(f":material/key: {_('The secret of {name}').format(name=f'`{name}`')}")
        st.code(secret, language=None, wrap_lines=True)
        st.caption(_("Copy it now: it is shown this once."))
        if st.button(_("Done"), icon=":material/check:", key="secret_done"):
            del st.session_state[SECRET_KEY]
            st.rerun()


def _ask_simply(key: str, title: str, name: str, note: str, act: Callable[[], bool], done: str) -> None:
    def fields() -> None:
        st.text(name)
        st.caption(note)

    def answer(_answer: None, _reason: str) -> str:
        return done if act() else _("No change")

    ask(key, title, fields, answer, label=title, has_reason=False)


def _keep(name: str, secret: str) -> None:
    st.session_state[SECRET_KEY] = (name, secret)


def _text(label: str, key: str, value: str = "", help: str | None = None) -> str:
    return (st.text_input(label, value, max_chars=MAX_NAME_LENGTH, key=key, help=help) or "").strip()


def _patterns(label: str, key: str, value: tuple[str, ...]) -> list[str]:
    given = st.text_input(
        label, " ".join(value), key=key, help=_("Patterns, separated by spaces; `*` matches anything.")
    )
    return (given or "").split() or ["*"]


def _secret_field(key: str) -> str | None:
    given = st.text_input(
        _("The sender's secret"),
        type="password",
        autocomplete="off",
        max_chars=MAX_SECRET_LENGTH,
        key=key,
        placeholder=_("empty: a new one is made"),
        help=_("Stripe makes one of its own; GitHub and others take yours."),
    )
    return given or None


def _scheme_word(scheme: str) -> str:
    return {"github": "GitHub", "stripe": "Stripe", "standard": "Standard Webhooks"}[scheme]
