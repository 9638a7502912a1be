"""Draws the timeline of agents over the page's range, or its last minutes."""

from __future__ import annotations

import streamlit as st

from taskyard.core.i18n import N_
from taskyard.core.views.timeline import MAX_AGENTS, Timeline
from taskyard.dashboard.components import address
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.agents import data
from taskyard.dashboard.pages.agents.gantt import show_gantt
from taskyard.dashboard.pages.agents.steps_chart import show_steps
from taskyard.dashboard.pages.agents.timeline_data import SINGLE_SECONDS, timeline
from taskyard.dashboard.shell import frame

WHOLE = "range"
LENGTHS = (WHOLE, "5", "15", "60")  # minutes
WHOLE_LABEL = N_("Whole range")
FAST_SECONDS, SLOW_SECONDS = 2.0, 5.0


def timeline_section(range_seconds: int, name: str | None = None) -> None:
    """Draws the timeline of one agent, or of all, with the choice of its length."""
    chosen = st.segmented_control(
        _("Timeline"),
        list(LENGTHS),
        required=True,
        format_func=lambda length: _(WHOLE_LABEL) if length == WHOLE else _("{n} min").format(n=length),
        **address.choice("minutes", LENGTHS, WHOLE),
    )
    seconds = range_seconds if chosen in (None, WHOLE) else 60 * int(chosen)
    frame.live(
        "agents_timeline" if name is None else "agent_timeline",
        lambda: timeline(seconds, name),
        lambda found: show_timeline(found, name),
        about=(seconds, name),
        every_seconds=FAST_SECONDS if seconds <= SINGLE_SECONDS else SLOW_SECONDS,
        shows_update_time=False,
        height_px=300,
    )


def show_timeline(found: Timeline, name: str | None) -> None:
    """Shows the attempts of one agent, or without a name of those that ran something or are present."""
    now = data.now().value
    there = {agent.name for agent in now.agents} if now else set()
    known = {span.agent for span in found.spans} | {step.agent for step in found.steps} | there
    names = [name] if name else sorted(known)
    show = show_steps if found.step_seconds else show_gantt
    show(found, names[:MAX_AGENTS], key="agents_timeline")
    if len(names) > MAX_AGENTS:
        st.caption(_("Showing the first {count} agents by name.").format(count=MAX_AGENTS))
