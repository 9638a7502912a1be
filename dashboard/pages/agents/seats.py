"""Draws the seats that an agent's engine brings to its nodes, and why one is not coming."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from taskyard.core.protocol_presence import SeatsReport
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.tables import show_table, value_column
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.task_links import task_column
from taskyard.dashboard.components.times import age
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.agents.data import Agent

ROWS_IN_FULL = 5
TABLE_HEIGHT_PX = 215


def show_seats_note(agent: Agent) -> None:
    """Shows in one line how many seats there are, and why none comes while somebody waits."""
    seats = agent.seats
    if seats is None:
        return
    st.caption(f"{escaped(seats.engine)}: {_counted(seats)}")
    if seats.has_nobody and not seats.waiting:
        st.markdown(f":orange[:material/event_seat: {escaped(seats.reason)}]")
    elif seats.waiting and seats.reason:
        waiting = ngettext("{count} task waits for a seat", "{count} tasks wait for a seat", seats.waiting)
        text = waiting.format(count=seats.waiting)
        st.markdown(f":orange[:material/event_seat: {text}:] {escaped(seats.reason)}")


def show_seats(agent: Agent) -> None:
    """Shows each seat: its node, what it runs, or why it is not there yet."""
    seats = agent.seats
    if seats is None:
        return
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{_('Seats')}**")
        st.caption(_counted(seats))
        if seats.here:
            rows = [
                {"Node": one.node, "Seat": one.id, "Attempt": one.attempt or None, "Task": shortened_id(one.task_id)}
                for one in seats.here
            ]
            show_table(
                pd.DataFrame(rows),
                alt=_("Seats"),
                columns={
                    "Node": st.column_config.TextColumn(_("Node"), pinned=True),
                    "Seat": _("Seat"),
                    "Attempt": _("Attempt"),
                    "Task": task_column([one.task_id for one in seats.here], key="agent_seats_task"),
                },
                key="agent_seats",
                height="content" if len(rows) <= ROWS_IN_FULL else TABLE_HEIGHT_PX,
            )
        if seats.coming:
            coming = [{"Seat": one.id, "For": one.seconds, "Why": one.why or "–"} for one in seats.coming]
            show_table(
                pd.DataFrame(coming),
                alt=_("Seats that were asked for"),
                columns={
                    "Seat": _("Seat that was asked for"),
                    "For": value_column(_("For")),
                    "Why": _("Not there yet"),
                },
                words={"For": age},
                key="agent_seats_coming",
                height="content" if len(coming) <= ROWS_IN_FULL else TABLE_HEIGHT_PX,
            )
        if seats.problem:
            st.markdown(f":orange[{escaped(seats.problem)}]")


def _counted(seats: SeatsReport) -> str:
    there = ngettext("{count} seat", "{count} seats", len(seats.here)).format(count=len(seats.here))
    nodes = ngettext("on {count} node", "on {count} nodes", len(seats.nodes)).format(count=len(seats.nodes))
    return f"{there} {nodes}" if seats.here else there
