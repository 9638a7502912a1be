"""Draws agents as tables: present ones with a menu each, those that are gone, and their reliability by type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from taskyard.core.humanize import byte_size, percent
from taskyard.core.models import AgentRecord
from taskyard.core.scheduling.holds import HoldKind
from taskyard.core.telemetry.run_times import P50, Comparison
from taskyard.dashboard.components import states
from taskyard.dashboard.components.hold_controls import act_column
from taskyard.dashboard.components.states import badge_column, word
from taskyard.dashboard.components.tables import show_table, table_height, value_column
from taskyard.dashboard.components.times import duration, time_column
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.agents.cards import heartbeat
from taskyard.dashboard.pages.agents.data import Agent, Record, Records, overall
from taskyard.dashboard.pages.agents.slower import against_others, slowest, worst_ratio


def show_rows(agents: Sequence[Agent], records: Records, open_agent: Callable[[str], None], *, key: str) -> None:
    """Shows a row for each, with its actions; `open_agent` is called back when its details are requested."""
    column, acts = act_column(
        HoldKind.AGENT, [(agent.name, agent.hold) for agent in agents], open_agent, key=f"{key}_click"
    )
    rows = [_row(agent, records.get(agent.name, {}), act) for agent, act in zip(agents, acts, strict=True)]
    show_table(
        pd.DataFrame(rows, columns=list(rows[0])),
        alt=_("Agents with their state, load and figures"),
        columns={
            "Agent": st.column_config.TextColumn(_("Agent"), pinned=True, width=150),
            "Act": column,
            "State": badge_column(_("State"), states.AGENT_COLORS),
            "Load": st.column_config.ProgressColumn(_("Load"), min_value=0, max_value=100, format="%d%%", width=110),
            "Slots": value_column(_("Slots"), help=_("Running tasks / slots"), width=70),
            "Success": value_column(_("Success"), width=80),
            "Slower": st.column_config.NumberColumn(
                _("Slower"),
                alignment="left",
                help=_("The task type at which it is slowest, by the run times of the other agents"),
                width=230,
            ),
            "CPU": st.column_config.NumberColumn(_("CPU"), format="%.0f%%", width=70),
            "Memory": value_column(_("Memory"), width=90),
            "Heartbeat": value_column(_("Heartbeat"), help=_("Time since the last one"), width=90),
            "Breakers": st.column_config.TextColumn(_("Breakers"), help=_("Types with an open circuit breaker")),
            "Held": st.column_config.TextColumn(_("On hold")),
            "Kind": st.column_config.TextColumn(_("Kind"), width=90),
            "Host": st.column_config.TextColumn(_("Host"), width=90),
        },
        words={
            "Slots": [f"{'–' if agent.running is None else agent.running} / {agent.slots}" for agent in agents],
            "Success": lambda share: percent(share, 1),
            "Slower": [slowest(records.get(agent.name, {})) for agent in agents],
            "Memory": byte_size,
            "Heartbeat": [heartbeat(agent) for agent in agents],
        },
        key=key,
        height=table_height(len(rows)),
    )


def show_gone(gone: Sequence[AgentRecord]) -> None:
    """Shows agents that left or were lost."""
    if not gone:
        st.caption(_("No agent left or was lost in the last day."))
        return
    frame = pd.DataFrame(
        [
            {
                "Agent": agent.name,
                "State": [word(agent.state)],
                "When": agent.left_at,
                "Registered": agent.registered_at,
                "Kind": agent.kind,
                "Host": agent.host,
                "Process": agent.pid,
                "Boot": agent.boot_id,
            }
            for agent in gone
        ]
    )
    show_table(
        frame,
        alt=_("Agents that left or were lost in the last day"),
        columns={
            "Agent": st.column_config.TextColumn(_("Agent"), pinned=True),
            "State": badge_column(_("State"), states.AGENT_COLORS),
            "When": time_column(_("When")),
            "Registered": time_column(_("Registered")),
            "Kind": _("Kind"),
            "Host": _("Host"),
            "Process": st.column_config.NumberColumn(_("Process"), format="%d"),
            "Boot": _("Boot"),
        },
        key="agents_gone",
    )


def show_reliability(records: Mapping[str, Mapping[str, Record]], *, key: str) -> None:
    """Shows each agent's reliability and run times by type; `records` by agent and type.

    Those at which an agent is slower than the others come first.
    """
    if not records:
        st.caption(_("No attempts in this period."))
        return
    worst = _worst_first(records)
    others = _("Run times of the same type on all other agents")
    frame = pd.DataFrame(
        [
            {
                "Agent": agent,
                "Type": type_,
                "Success": None if record.success_rate is None else 100 * record.success_rate,
                "Attempts": record.completed + record.failed,
                "Failed": record.failed,
                "P50": record.comparison.own.p50_seconds,
                "P95": record.comparison.own.p95_seconds,
                "OthersP50": record.comparison.others.p50_seconds,
                "OthersP95": record.comparison.others.p95_seconds,
                "Compared": _ratio(record.comparison),
            }
            for agent, type_, record in worst
        ]
    )
    show_table(
        frame,
        alt=_("Reliability of each agent by type"),
        columns={
            "Agent": st.column_config.TextColumn(_("Agent"), pinned=True),
            "Type": st.column_config.TextColumn(_("Type"), pinned=True),
            "Success": st.column_config.ProgressColumn(_("Success"), min_value=0, max_value=100, format="%.1f%%"),
            "Attempts": st.column_config.NumberColumn(_("Attempts"), format="localized"),
            "Failed": st.column_config.NumberColumn(_("Failed"), format="localized"),
            "P50": value_column(_("Run time p50")),
            "P95": value_column(_("Run time p95")),
            "OthersP50": value_column(_("Others p50"), help=others),
            "OthersP95": value_column(_("Others p95"), help=others),
            "Compared": st.column_config.NumberColumn(
                _("Compared"), alignment="left", help=_("Empty: too few attempts to compare")
            ),
        },
        words={
            **dict.fromkeys(("P50", "P95", "OthersP50", "OthersP95"), duration),
            "Compared": [against_others(record.comparison) for _agent, _type, record in worst],
        },
        key=key,
        height=table_height(len(frame)),
    )


def _worst_first(records: Records) -> list[tuple[str, str, Record]]:
    every = [(agent, type_, record) for agent, by_type in records.items() for type_, record in by_type.items()]

    def order(one: tuple[str, str, Record]) -> tuple[float, str, str]:
        slower = one[2].comparison.slower
        return (-slower.ratio if slower else 0.0, one[0], one[1])

    return sorted(every, key=order)


def _ratio(comparison: Comparison) -> float | None:
    """Returns how many times slower an agent is than the others; below 1 if it is faster."""
    return comparison.slower.ratio if comparison.slower else comparison.ratio(P50)


def _row(agent: Agent, records: Mapping[str, Record], act: list[str]) -> dict[str, object]:
    return {
        "Agent": agent.title,
        "Act": act,
        "State": [word(agent.state)],
        "Load": round(100 * agent.load),
        "Slots": agent.running,
        "Success": overall(records.values()).success_rate,
        "Slower": worst_ratio(records),
        "CPU": agent.cpu_percent,
        "Memory": agent.memory_bytes,
        "Heartbeat": agent.heartbeat_seconds,
        "Breakers": ", ".join(breaker.type for breaker in agent.breakers),
        "Held": str(agent.hold) if agent.hold else "",
        "Kind": agent.kind,
        "Host": agent.host,
    }
