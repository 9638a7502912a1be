"""Draws for which queues head starts are given, and why."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from taskyard.core.humanize import percent
from taskyard.core.learning.watch import OFF_ABOVE, ON_BELOW
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.event_details import head_starts_reason
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.paging import ROWS, page_of
from taskyard.dashboard.components.policies import policy_name
from taskyard.dashboard.components.tables import show_table, table_height, value_column
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _, labelled
from taskyard.dashboard.pages.learning.order_data import OrderChange, Orders, QueueOrder


def show_orders(orders: Orders) -> None:
    """Shows a row for each queue, and the last changes."""
    st.subheader(
        _("Head starts by queue"),
        help=_(
            "In queues with the policy learned, tasks that are predicted to be short go ahead of others. That is off"
            " until it is proven that they are short, and whenever it is no longer so."
        ),
    )
    if orders.queues is None:
        text = _("No worker leads, or one of an older release: which queues give head starts is not known.")
        st.markdown(f":gray[:material/person_off: {text}]")
    elif not orders.queues:
        show_nothing(
            _("Nothing is known of a queue yet. It appears here once one of its tasks has ended with a prediction."),
            "hourglass_empty",
        )
    else:
        _show_queues(orders.queues)
    _show_changes(orders.changes)


def _show_queues(queues: Sequence[QueueOrder]) -> None:
    shown = page_of(queues, ROWS, key="learning_orders_page")
    rows = [
        {
            "queue": one.queue,
            "head_starts": state_in_words(one),
            "policy": policy_in_words(one),
            "why": head_starts_reason(one.reason),
            "short_seconds": one.short_seconds,
            "ratio": one.ratio,
        }
        for one in shown
    ]
    show_table(
        pd.DataFrame(rows).astype({"short_seconds": float, "ratio": float}),
        alt=_("Queues, whether they give head starts, and why"),
        columns={
            "queue": st.column_config.TextColumn(_("Queue"), pinned=True, width=150),
            "head_starts": st.column_config.TextColumn(_("Head starts"), width=120),
            "policy": st.column_config.TextColumn(
                _("Policy"), help=_("Head starts are used with the policy learned only"), width=200
            ),
            "why": st.column_config.TextColumn(_("Reason"), width=390),
            "short_seconds": value_column(
                _("Short"), help=_("Tasks that are predicted to run for less than this are short"), width=110
            ),
            "ratio": value_column(
                _("Run time of short ones"),
                help=_(
                    "The mean run time of tasks predicted short as a share of that of the others. Head starts begin"
                    " below {on} and end above {off}, or if typical run times do not differ."
                ).format(on=percent(ON_BELOW), off=percent(OFF_ABOVE)),
                width=150,
            ),
        },
        words={"short_seconds": short_in_words, "ratio": percent},
        key="learning_orders",
        height=table_height(len(rows)),
    )


def policy_in_words(one: QueueOrder) -> str:
    """Returns a queue's policy, and that what is learned is not used if it is another one."""
    if one.is_learned:
        return policy_name(one.policy)
    if not one.policy:
        return _("not used")
    return _("not used: policy {policy}").format(policy=policy_name(one.policy))


def state_in_words(one: QueueOrder) -> str:
    """Returns whether head starts are given, or would be with another policy."""
    if not one.is_on:
        return _("off")
    return _("on") if one.is_learned else _("would be on")


def short_in_words(seconds: float) -> str:
    """Returns below which predicted run time tasks are short."""
    return _("below {duration}").format(duration=duration(seconds)) if seconds > 0 else _("none yet")


def _show_changes(changes: Sequence[OrderChange]) -> None:
    if not changes:
        return
    lines = []
    for change in changes:
        state = _("head starts on") if change.is_on else _("head starts off")
        told = labelled(state, head_starts_reason(change.reason)) if change.reason else state
        lines.append(f"{escaped(shown_time(change.at))} · **{escaped(change.queue)}** · {escaped(told)}")
    st.caption("  \n".join([_("Last changes, the newest first:"), *lines]))
