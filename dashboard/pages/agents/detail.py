"""Draws one agent: its facts, running tasks, and resource usage over time."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from taskyard.core.humanize import MEBIBYTE, byte_size, number, percent
from taskyard.core.scheduling.holds import HoldKind
from taskyard.dashboard.components import states
from taskyard.dashboard.components.charts import Line, time_chart
from taskyard.dashboard.components.hold_controls import show_menu
from taskyard.dashboard.components.tables import show_table, value_column
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.task_links import task_column
from taskyard.dashboard.components.times import age, time_column, time_of
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _, labelled
from taskyard.dashboard.pages.agents.cards import CARD_WIDTH_PX, heartbeat, show_notes
from taskyard.dashboard.pages.agents.data import Agent, AgentUsage, Record, overall
from taskyard.dashboard.pages.agents.seats import show_seats
from taskyard.dashboard.pages.agents.slower import show_slower

FIGURE_WIDTH_PX = 130
ROWS_IN_FULL = 5
TABLE_HEIGHT_PX = 215


def show_agent(agent: Agent, records: Mapping[str, Record], at: float) -> None:
    """Shows its current state; `records` by type, durations count to `at` (epoch seconds)."""
    record = overall(records.values())
    with st.container(horizontal=True, vertical_alignment="center"):
        states.show_badge(agent.state, states.AGENT_COLORS)
        show_menu(HoldKind.AGENT, agent.name, agent.hold, key="act_details")
    running = "–" if agent.running is None else agent.running
    figures = [
        (_("Slots in use"), f"{running} / {agent.slots}"),
        (_("Success"), percent(record.success_rate, 1)),
        (_("Attempts"), number(record.completed + record.failed)),
        (_("CPU"), percent(None if agent.cpu_percent is None else agent.cpu_percent / 100)),
        (_("Memory"), byte_size(agent.memory_bytes)),
        (_("Last heartbeat"), heartbeat(agent)),
    ]
    with st.grid(6, min_column_width=FIGURE_WIDTH_PX):
        for label, value in figures:
            st.metric(label, value, border=True)
    show_slower(records, is_whole=True)
    show_notes(agent, at)
    with st.grid(2, min_column_width=CARD_WIDTH_PX):
        _show_what_it_is(agent)
        _show_running(agent, at)
        show_seats(agent)


def show_usage(usage: AgentUsage) -> None:
    """Shows its resource usage over the range."""
    with st.grid(3, min_column_width=CARD_WIDTH_PX):
        time_chart(_("CPU, %"), usage.at, [Line(_("CPU"), "blue", usage.cpu_percent)], key="agent_cpu", unit="%")
        memory = [None if value is None else value / MEBIBYTE for value in usage.memory_bytes]
        time_chart(_("Memory, MiB"), usage.at, [Line(_("memory"), "violet", memory)], key="agent_memory", unit="MiB")
        load = [None if value is None else 100 * value for value in usage.load_ratio]
        time_chart(
            _("Slots in use, %"), usage.at, [Line(_("slots in use"), "green", load)], key="agent_slots", unit="%"
        )


def _show_what_it_is(agent: Agent) -> None:
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{_('Details')}**")
        known = [f"{name} ({version})" for name, version in sorted((agent.known_types or {}).items())]
        lines = [
            (_("Kind"), agent.kind),
            *([(_("Class"), agent.agent_class)] if agent.agent_class else []),
            (_("Takes"), ", ".join(agent.types)),
            (_("Knows"), ", ".join(known) or "–"),
            (_("Tags"), ", ".join(agent.tags) or "–"),
            (_("Host"), agent.host),
            (_("Processes"), ", ".join(str(pid) for pid in agent.pids)),
            (_("Boots"), ", ".join(agent.boots)),
            (_("Registered"), shown_time(agent.since) if agent.since else "–"),
        ]
        st.text("\n".join(labelled(name, value) for name, value in lines))


def _show_running(agent: Agent, at: float) -> None:
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{_('Running now')}**")
        if not agent.tasks:
            st.caption(_("No running tasks known."))
            return
        rows = [
            {
                "Type": task.type,
                "For": max(0.0, at - task.started_at),
                "Started": time_of(task.started_at),
                "Attempt": task.attempt,
                "Task": shortened_id(task.task_id),
            }
            for task in agent.tasks
        ]
        show_table(
            pd.DataFrame(rows),
            alt=_("Running now"),
            columns={
                "Type": st.column_config.TextColumn(_("Type"), pinned=True),
                "For": value_column(_("For")),
                "Started": time_column(_("Started"), is_exact=True),
                "Attempt": _("Attempt"),
                "Task": task_column([task.task_id for task in agent.tasks], key="agent_runs_task"),
            },
            words={"For": age},
            key="agent_runs",
            height="content" if len(rows) <= ROWS_IN_FULL else TABLE_HEIGHT_PX,
        )
