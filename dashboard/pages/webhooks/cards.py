"""Draws webhooks and hooks, a card each, and the table of deliveries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.webhooks.hook import Hook
from taskyard.core.webhooks.webhook import OUTCOMES, Delivery, DeliveryState, Webhook
from taskyard.dashboard.components import states
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.tables import show_table, table_height
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.task_links import task_column
from taskyard.dashboard.components.times import time_column
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.webhooks import data

Ask = Callable[[str, Any], None]
ID_WIDTH_PX = 290  # of the 36 characters of an id
DELIVERY_COLORS = {
    DeliveryState.PENDING.value: "orange",
    DeliveryState.DELIVERED.value: "green",
    DeliveryState.FAILED.value: "red",
}


def show_webhooks(webhooks: Sequence[Webhook], ask: Ask) -> None:
    """Shows a card for each webhook, with buttons that call `ask` with what to do."""
    if not webhooks:
        show_nothing(_("No webhooks: nobody outside is told when tasks end."), "webhook")
    for one in webhooks:
        with st.container(border=True, gap="xsmall", key=f"webhook_{one.name}"):
            _show_webhook(one)
            _show_webhook_buttons(one, ask)


def _show_webhook(one: Webhook) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if one.disabled_at is not None:
            st.badge(_("disabled"), color="gray", icon=":material/block:")
        elif one.failing_since is not None:
            st.badge(_("failing"), color="red", icon=":material/error:")
        else:
            st.badge(_("enabled"), color="green", icon=":material/check:")
        st.markdown(f"**{escaped(one.name)}**", width="content")
        if one.pending:
            text = ngettext("{count} message pending", "{count} messages pending", one.pending)
            st.badge(text.format(count=number(one.pending)), color="orange")
    st.code(one.url, language=None, wrap_lines=True)
    outcomes = _("every end") if set(one.outcomes) == set(OUTCOMES) else _(", ").join(map(word, one.outcomes))
    facts = [
        _("Tells of: {outcomes}").format(outcomes=escaped(outcomes)),
        _("queues {patterns}").format(patterns=escaped(" ".join(one.queues))),
        _("types {patterns}").format(patterns=escaped(" ".join(one.types))),
        _("with outputs") if one.has_output else "",
    ]
    st.caption(" · ".join(fact for fact in facts if fact))
    if one.last_delivered_at is None:
        st.caption(f":material/schedule: {_('Nothing has been delivered yet')}")
    else:
        text = _("Last delivered {time}").format(time=escaped(shown_time(one.last_delivered_at)))
        st.caption(f":material/done: {text}")
    if one.disabled_at is not None:
        text = _("Disabled by {actor} at {time}: {reason}").format(
            actor=escaped(one.disabled_by or ""),
            time=escaped(shown_time(one.disabled_at)),
            reason=escaped(one.disabled_because or "") or _("no reason given"),
        )
        st.caption(f":material/block: {text}")
    elif one.failing_since is not None:
        text = _("Failing since {time}").format(time=escaped(shown_time(one.failing_since)))
        st.caption(f":material/error: {text}")
    if one.former_until is not None:
        text = _("The former secret also signs until {time}").format(time=escaped(shown_time(one.former_until)))
        st.caption(f":material/key: {text}")


def _show_webhook_buttons(one: Webhook, ask: Ask) -> None:
    with st.container(horizontal=True):
        buttons = []
        if data.may_send() and one.disabled_at is None:
            buttons.append(("ping", _("Send a test"), "send"))
        buttons.append(("deliveries", _("Deliveries"), "list"))
        if data.may_manage():
            switch = (
                ("disable", _("Disable"), "pause") if one.disabled_at is None else ("enable", _("Enable"), "play_arrow")
            )
            buttons += [("edit", _("Edit"), "edit"), switch, ("rotate", _("New secret"), "key")]
            buttons.append(("delete", _("Remove"), "delete"))
        for what, label, icon in buttons:
            if st.button(label, icon=f":material/{icon}:", key=f"{what}_webhook_{one.name}"):
                ask(what, one)


def show_hooks(hooks: Sequence[Hook], ask: Ask) -> None:
    """Shows a card for each hook, with buttons that call `ask` with what to do."""
    if not hooks:
        show_nothing(_("No hooks: nobody outside submits tasks by signed requests."), "webhook")
    for one in hooks:
        with st.container(border=True, gap="xsmall", key=f"hook_{one.name}"):
            _show_hook(one)
            switch = (
                ("disable", _("Disable"), "pause") if one.disabled_at is None else ("enable", _("Enable"), "play_arrow")
            )
            buttons = [("edit", _("Edit"), "edit"), switch, ("rotate", _("New secret"), "key")]
            with st.container(horizontal=True):
                for what, label, icon in [*buttons, ("delete", _("Remove"), "delete")]:
                    if st.button(label, icon=f":material/{icon}:", key=f"{what}_hook_{one.name}"):
                        ask(f"{what}_hook", one)


def _show_hook(one: Hook) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if one.disabled_at is not None:
            st.badge(_("disabled"), color="gray", icon=":material/block:")
        else:
            st.badge(_("enabled"), color="green", icon=":material/check:")
        st.markdown(f"**{escaped(one.name)}**", width="content")
        st.badge(one.scheme.value, color="blue")
    st.code(data.hook_url(one.name), language=None, wrap_lines=True)
    facts = [
        _("Submits {type} to queue {queue}").format(type=escaped(one.type), queue=escaped(one.queue)),
        _("priority {priority}").format(priority=word(one.priority)),
        _("events {patterns}").format(patterns=escaped(" ".join(one.events))),
    ]
    st.caption(" · ".join(facts))
    used = _("never") if one.used_at is None else shown_time(one.used_at)
    facts = [_("Last used: {time}").format(time=escaped(used))]
    if one.refused_at is not None:
        facts.append(_("last refused: {time}").format(time=escaped(shown_time(one.refused_at))))
    st.caption(" · ".join(facts))
    if one.former_until is not None:
        text = _("The former secret also counts until {time}").format(time=escaped(shown_time(one.former_until)))
        st.caption(f":material/key: {text}")


def show_deliveries(found: Sequence[Delivery], is_narrowed: bool, send_again: Callable[[Delivery], None]) -> None:
    """Shows the newest deliveries; one that is selected can be sent again."""
    if not found:
        nothing = _("No delivery matches the filters.") if is_narrowed else _("No deliveries yet.")
        show_nothing(nothing, "outbox")
        return
    rows = [
        {
            "state": [word(one.state)],
            "event": one.event,
            "webhook": one.webhook,
            "created": one.created_at,
            "tries": one.attempts,
            "next": one.due_at if one.state == DeliveryState.PENDING else None,
            "status": "" if one.status is None else str(one.status),
            "answer": one.answer or "",
            "task": shortened_id(one.task_id) if one.task_id else "",
            "id": one.id,
        }
        for one in found
    ]
    chosen = show_table(
        pd.DataFrame(rows),
        alt=_("Deliveries, newest first"),
        columns={
            "state": states.badge_column(_("State"), DELIVERY_COLORS, width=100),
            "event": _("Event"),
            "webhook": _("Webhook"),
            "created": time_column(_("Created")),
            "tries": _("Tries"),
            "next": time_column(_("Next try")),
            "status": _("Status"),
            "answer": st.column_config.TextColumn(_("Answer"), width=120),
            "task": task_column([one.task_id for one in found], key="delivery_task"),
            "id": st.column_config.TextColumn(_("Id"), width=ID_WIDTH_PX),
        },
        key="webhook_deliveries",
        height=table_height(len(rows)),
        on_select="rerun",
        selection_mode="single-row",
    )
    if len(found) == data.MAX_DELIVERIES:
        st.caption(_("Showing the newest {count}.").format(count=len(found)))
    selected = [found[row] for row in chosen.selection.rows if row < len(found)]
    if not selected:
        st.caption(_("Select a delivery to see its answer, or to send it again."))
    for one in selected:
        _show_delivery(one, send_again)


def _show_delivery(one: Delivery, send_again: Callable[[Delivery], None]) -> None:
    with st.container(border=True, gap="xsmall"):
        st.text(f"{one.event} · {one.id}")
        st.code(one.answer or _("no answer"), language=None, wrap_lines=True)
        is_over = one.state != DeliveryState.PENDING
        if data.may_send() and is_over and st.button(_("Send again"), icon=":material/replay:", key="send_again"):
            send_again(one)
