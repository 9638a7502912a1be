"""Draws webhooks, their deliveries, and hooks."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from taskyard.core.errors import TaskyardError
from taskyard.core.i18n import N_
from taskyard.core.webhooks.webhook import Delivery, DeliveryState
from taskyard.dashboard.components import address
from taskyard.dashboard.components.choices import show_choice
from taskyard.dashboard.components.dialogs import tell
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.task.panel import show_panel
from taskyard.dashboard.pages.webhooks import cards, data, questions
from taskyard.dashboard.shell import frame

SECTIONS = {"outgoing": N_("Outgoing"), "deliveries": N_("Deliveries"), "inbound": N_("Inbound")}
# What a button in a live section requests: the dialog belongs to the whole page, which outlives a refresh.
REQUESTED_KEY = "webhooks_asked"
SHOW, WEBHOOK = "show", "webhook"  # in the address


def ask_later(what: str, about: Any = None) -> None:
    """Makes the whole page act on a card's button."""
    st.session_state[REQUESTED_KEY] = (what, about)
    st.rerun()


def act_now() -> None:
    """Does, or asks about, what a button requested, if one did."""
    what, about = st.session_state.pop(REQUESTED_KEY, (None, None))
    if what == "ping":
        try_to(partial(data.ping, about.name), _("A test message is queued: see Deliveries"))
    elif what == "again":
        try_to(partial(data.send_again, about.webhook, about.id), _("It is queued again"))
    elif what == "deliveries":
        st.query_params[SHOW], st.query_params[WEBHOOK] = "deliveries", about.name
    elif what in ("new", "edit"):
        questions.ask_webhook(about)
    elif what in ("new_hook", "edit_hook"):
        questions.ask_hook(about)
    elif what is not None:
        action, _separator, kind = what.partition("_")
        ask = {
            "rotate": questions.ask_to_rotate,
            "disable": questions.ask_to_disable,
            "enable": questions.ask_to_enable,
            "delete": questions.ask_to_delete,
        }[action]
        ask(about.name, is_hook=kind == "hook")


def try_to(act: Any, done: str) -> None:
    """Acts at once and shows the result, or the error."""
    try:
        act()
    except TaskyardError as error:
        st.error(escaped(translate(error)))
    else:
        st.toast(done, icon=":material/check:")


def show_deliveries_section() -> None:
    """Shows deliveries with their filters, all kept in the address."""
    names = [one.name for one in data.webhooks().value or ()]
    states = [state.value for state in DeliveryState]
    with st.grid(2, min_column_width=150):
        name = st.selectbox(_("Webhook"), names, index=None, placeholder=_("All"), **address.choice(WEBHOOK, names))
        state = st.selectbox(
            _("State"),
            states,
            index=None,
            placeholder=_("All"),
            format_func=word,
            **address.choice("state", states),
        )

    def show(found: Sequence[Delivery]) -> None:
        cards.show_deliveries(found, name is not None or state is not None, partial(ask_later, "again"))

    frame.live("webhook_deliveries", partial(data.deliveries, name, state), show, about=(name, state), height_px=400)


def show_section(section: str) -> None:
    """Shows a section, or who may see it."""
    if section == "inbound":
        if not data.may_manage():
            text = _(
                "Only who may manage people, tokens and roles sees hooks: "
                "sign in, or open the link of `taskyard enter`."
            )
            show_nothing(text, "lock")
            return
        frame.live("hooks", data.hooks, lambda found: cards.show_hooks(found, ask_later), height_px=300)
    elif section == "deliveries":
        show_deliveries_section()
    else:
        frame.live("webhooks", data.webhooks, lambda found: cards.show_webhooks(found, ask_later), height_px=300)


frame.header(_("Webhooks"), _("Tell others when tasks end, and let them submit tasks"))
tell()
act_now()
with st.container(horizontal=True, vertical_alignment="center"):
    chosen = show_choice(_("Which webhooks"), SECTIONS, SHOW, "outgoing")
    is_inbound = chosen == "inbound"
    if st.button(
        _("New hook") if is_inbound else _("New webhook"),
        icon=":material/add:",
        key="new_webhook",
        shortcut="Shift+N",
        disabled=not data.may_manage(),
        help=None if data.may_manage() else _("That needs the permission to manage people, tokens and roles."),
    ):
        ask_later("new_hook" if is_inbound else "new")
questions.show_secret()
show_section(chosen or "outgoing")
show_panel()
