"""Draws queues as cards and as a table: backlog, rates, time to drain, and holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.i18n import N_
from taskyard.core.scheduling.holds import HoldKind
from taskyard.core.telemetry.queue_figures import GROWS, NOTHING_RUNS, PAUSED, STEADY
from taskyard.dashboard.components import states
from taskyard.dashboard.components.address import here
from taskyard.dashboard.components.hold_controls import act_column, show_hold, show_menu
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.policies import policy_name
from taskyard.dashboard.components.states import badge_column, word
from taskyard.dashboard.components.tables import show_table, table_height, value_column
from taskyard.dashboard.components.times import age
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.navigation import QUEUES, TASKS
from taskyard.dashboard.pages.queues.data import NO_LEADER, NOBODY_TAKES, NOT_SHOWN, Queue

CARD_WIDTH_PX = 330
REASONS: Mapping[str, str] = {
    PAUSED: N_("paused"),
    NOTHING_RUNS: N_("nothing ends"),
    GROWS: N_("grows by {rate}/min"),
    STEADY: N_("not shrinking"),
    NO_LEADER: N_("no leader"),
    NOBODY_TAKES: N_("No eligible agent"),
    NOT_SHOWN: N_("not shown to you"),
}


def show_queue_cards(queues: Sequence[Queue]) -> None:
    """Shows a card for each."""
    with st.grid(min_column_width=CARD_WIDTH_PX):
        for queue in queues:
            with st.container(border=True, height="stretch", gap="small", key=f"queue_{queue.name}"):
                _show_head(queue)
                _show_figures(queue)
                _show_priorities(queue)
                show_queue_notes(queue)


def _show_figures(queue: Queue) -> None:
    """Shows its depth and rates, small."""
    figures = [
        (_("ready"), number(queue.ready)),
        (_("running"), number(queue.running)),
        (_("scheduled"), number(queue.scheduled)),
        (_("blocked"), number(queue.blocked)),
        (_("oldest"), oldest(queue)),
        (_("Enqueued/min"), per_minute(queue.recent.arrived)),
        (_("Finished/min"), per_minute(queue.recent.ended)),
        (_("Time to drain"), drain_text(queue)),
    ]
    with st.grid(4, min_column_width=66, gap="xsmall"):
        for label, value in figures:
            st.markdown(f":small[:gray[{label}]]  \n**{value}**")


def show_queue_notes(queue: Queue) -> None:
    """Shows everything unusual."""
    if queue.hold is not None:
        show_hold(queue.hold)
    stuck = sum(lane.ready for lane in queue.lanes if lane.is_stuck)
    if stuck:
        text = ngettext("No agent can take {count} task", "No agent can take {count} tasks", stuck)
        st.markdown(f":red[:material/block: {text.format(count=number(stuck))}]")


def show_queue_rows(queues: Sequence[Queue], open_queue: Callable[[str], None], *, key: str) -> None:
    """Shows a row for each, with its actions; `open_queue` is called back when its details are requested."""
    column, acts = act_column(HoldKind.QUEUE, [(q.name, q.hold) for q in queues], open_queue, key=f"{key}_click")
    rows = [_row(queue, act) for queue, act in zip(queues, acts, strict=True)]
    show_table(
        pd.DataFrame(rows, columns=list(rows[0])),
        alt=_("Queues with their depth, pace and state"),
        columns={
            "Queue": st.column_config.TextColumn(_("Queue"), pinned=True, width=150),
            "Act": column,
            "State": badge_column(_("State"), states.QUEUE_COLORS),
            "Ready": st.column_config.NumberColumn(_("Ready"), format="localized", width=80),
            "Oldest": value_column(_("Oldest"), width=100),
            "In": st.column_config.NumberColumn(_("In per min"), format="%.1f", width=90),
            "Out": st.column_config.NumberColumn(_("Out per min"), format="%.1f", width=90),
            "Done": value_column(_("Time to drain"), width=140),
            "Running": st.column_config.NumberColumn(_("Running"), format="localized", width=80),
            "Scheduled": st.column_config.NumberColumn(_("Scheduled"), format="localized", width=90),
            "Blocked": st.column_config.NumberColumn(_("Blocked"), format="localized", width=80),
            "Policy": st.column_config.TextColumn(_("Placement")),
            "Held": st.column_config.TextColumn(_("On hold")),
        },
        words={"Oldest": age, "Done": [drain_text(queue) for queue in queues]},
        key=key,
        height=table_height(len(rows)),
    )


def oldest(queue: Queue) -> str:
    """Returns how long its oldest ready task has waited."""
    return "–" if queue.figures.oldest_seconds is None else age(queue.figures.oldest_seconds)


def per_minute(rate: float) -> str:
    """Returns a rate as a short text."""
    if math.isnan(rate):
        return "–"
    return _("{n}/min").format(n=number(rate))


def drain_text(queue: Queue) -> str:
    """Returns the time to drain, or why it is unknown."""
    seconds, reason = queue.drain.seconds, queue.drain.reason
    if seconds is not None:
        if queue.drain.is_predicted and seconds:
            return _("about {time} (predicted)").format(time=age(seconds))
        return age(seconds) if seconds else _("Empty")
    return _(REASONS[str(reason)]).format(rate=number(queue.recent.arrived - queue.recent.ended))


def _show_head(queue: Queue) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        with st.container(gap=None):
            st.page_link(
                QUEUES.path,
                label=f"**{escaped(queue.name, 60)}**",
                icon=":material/low_priority:",
                query_params=here(queue=queue.name),
                help=_("Its lanes and its figures over time"),
            )
        states.show_badge(queue.state, states.QUEUE_COLORS)
        show_menu(HoldKind.QUEUE, queue.name, queue.hold, key=f"act_{queue.name}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(_("Placement: {policy}").format(policy=policy_name(queue.figures.policy)))


def _show_priorities(queue: Queue) -> None:
    """Shows how many tasks are ready by priority, with links to them."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for name, count in reversed(list(queue.by_priority.items())):
            if count:
                st.badge(f"{word(name)} {number(count)}", color=states.PRIORITY_COLORS[name])  # type: ignore[arg-type]
        st.page_link(TASKS.path, label=_("View tasks"), icon=":material/list:", query_params={"queues": queue.name})


def _row(queue: Queue, act: list[str]) -> dict[str, object]:
    return {
        "Queue": queue.name,
        "Act": act,
        "State": [word(queue.state)],
        "Ready": queue.ready,
        "Oldest": queue.figures.oldest_seconds,
        "In": queue.recent.arrived,
        "Out": queue.recent.ended,
        "Done": math.inf if queue.drain.seconds is None else queue.drain.seconds,
        "Running": queue.running,
        "Scheduled": queue.scheduled,
        "Blocked": queue.blocked,
        "Policy": policy_name(queue.figures.policy),
        "Held": str(queue.hold) if queue.hold else "",
    }
