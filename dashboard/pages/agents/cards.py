"""Draws agents as cards: health, running tasks and problems."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from taskyard.core.explain import SILENT_AFTER_SECONDS
from taskyard.core.humanize import byte_size, number, percent
from taskyard.core.scheduling.breaker import breaker_reason
from taskyard.core.scheduling.holds import HoldKind
from taskyard.core.telemetry.live_snapshot import OpenBreaker
from taskyard.dashboard.components import states
from taskyard.dashboard.components.address import here
from taskyard.dashboard.components.hold_controls import show_hold, show_menu
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.task_links import task_button
from taskyard.dashboard.components.times import age as shown_age
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _, labelled, ngettext
from taskyard.dashboard.navigation import AGENTS, TASKS
from taskyard.dashboard.pages.agents.data import Agent, Record, Records, overall
from taskyard.dashboard.pages.agents.seats import show_seats_note
from taskyard.dashboard.pages.agents.slower import show_slower

CARD_WIDTH_PX = 330
TASKS_SHOWN = 3
BREAKERS_SHOWN = 3
FRESH_SECONDS = 2.0
NOTHING = "–"


def show_cards(agents: Sequence[Agent], records: Records, at: float) -> None:
    """Shows a card for each; `records` by name and type, durations count to `at` (epoch seconds)."""
    with st.grid(min_column_width=CARD_WIDTH_PX):
        for agent in agents:
            with st.container(border=True, height="stretch", gap="small", key=f"agent_{agent.name}"):
                _show_head(agent)
                _show_load(agent)
                _show_figures(agent, overall(records.get(agent.name, {}).values()))
                show_slower(records.get(agent.name, {}))
                show_notes(agent, at)
                _show_heartbeat(agent)
                _show_tasks(agent, at)


def heartbeat(agent: Agent) -> str:
    """Returns the age of its last heartbeat, which should be below a second or two."""
    if agent.heartbeat_seconds is None:
        return NOTHING
    if agent.heartbeat_seconds < FRESH_SECONDS:
        return _("just now")
    return _("{age} ago").format(age=shown_age(agent.heartbeat_seconds))


def _show_head(agent: Agent) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        with st.container(gap=None):
            st.page_link(
                AGENTS.path,
                label=f"**{escaped(agent.title, 60)}**",
                icon=":material/smart_toy:",
                query_params=here(agent=agent.name),
                help=_("Figures over time"),
            )
        states.show_badge(agent.state, states.AGENT_COLORS)
        show_menu(HoldKind.AGENT, agent.name, agent.hold, key=f"act_{agent.name}")
    pids = ", ".join(str(pid) for pid in agent.pids)
    st.caption(escaped(_("{kind} on {host}, process {pids}").format(kind=agent.kind, host=agent.host, pids=pids)))


def _show_load(agent: Agent) -> None:
    if agent.running is None:
        text = ngettext("{slots} slot", "{slots} slots", agent.slots).format(slots=agent.slots)
        st.caption(text)
        return
    text = _("{running} of {slots} slots in use").format(running=agent.running, slots=agent.slots)
    st.progress(agent.load, text=text)


def _show_figures(agent: Agent, record: Record) -> None:
    figures = [
        (_("success"), percent(record.success_rate, 1)),
        (_("attempts"), number(record.completed + record.failed)),
        (_("CPU"), percent(None if agent.cpu_percent is None else agent.cpu_percent / 100)),
        (_("memory"), byte_size(agent.memory_bytes)),
    ]
    with st.grid(4, min_column_width=60, gap="xsmall"):
        for label, value in figures:
            st.markdown(f":small[:gray[{label}]]  \n**{value}**")


def show_notes(agent: Agent, at: float) -> None:
    """Shows everything unusual."""
    if agent.namesakes > 1:
        st.markdown(
            ":orange[:material/group: "
            + _("{count} processes use this name: a hold or restart affects all of them.").format(count=agent.namesakes)
            + "]"
        )
    if agent.hold is not None:
        show_hold(agent.hold)
    if agent.restart is not None:
        who = _("by {actor} since {time}").format(
            actor=escaped(agent.restart.actor), time=escaped(shown_time(agent.restart.at))
        )
        text = labelled(who, escaped(agent.restart.reason)) if agent.restart.reason else who
        st.markdown(f":violet[:material/restart_alt: {_('Draining, then restarts')}] {text}")
    if not agent.is_settled and agent.restart is None:
        st.caption(_("Takes effect within a second."))
    elif agent.state == "draining" and agent.restart is None and agent.running is not None:
        left = ngettext("{count} task still running.", "{count} tasks still running.", agent.running)
        st.caption(left.format(count=agent.running) if agent.running else _("Drained: no task is running."))
    show_seats_note(agent)
    for breaker in agent.breakers[:BREAKERS_SHOWN]:
        _show_breaker(breaker, at)
    more = len(agent.breakers) - BREAKERS_SHOWN
    if more > 0:
        st.caption(ngettext("{count} more type", "{count} more types", more).format(count=more))


def _show_heartbeat(agent: Agent) -> None:
    if agent.heartbeat_seconds is None:
        return
    is_late = agent.heartbeat_seconds > SILENT_AFTER_SECONDS
    color, icon = ("red", "heart_broken") if is_late else ("gray", "favorite")
    text = _("Heartbeat {age}").format(age=heartbeat(agent))
    st.markdown(f":{color}[:small[:material/{icon}: {text}]]")


def _show_breaker(breaker: OpenBreaker, at: float) -> None:
    kind = escaped(breaker.type, 60)
    if breaker.state == "probing":
        text = _("Probing {type} with one task").format(type=kind)
    else:
        text = _("Circuit breaker open for {type} ({time})").format(type=kind, time=shown_age(at - breaker.since))
        if breaker.retry_at is not None and breaker.retry_at > at:
            text += _("; probe in {time}").format(time=shown_age(breaker.retry_at - at))
    reason = escaped(translate(breaker_reason(breaker.reason, breaker.reason_id, breaker.reason_parameters)))
    st.markdown(f":orange[:material/electrical_services: {text}:] {reason}")


def _show_tasks(agent: Agent, at: float) -> None:
    """Shows its running tasks, longest first."""
    if agent.running is None:
        return
    if not agent.tasks and (agent.running or agent.state != "draining"):
        st.caption(_("Only short tasks running") if agent.running else _("Idle"))
    for task in agent.tasks[:TASKS_SHOWN]:
        task_button(
            task.task_id,
            _("{type}, for {time}").format(type=escaped(task.type, 60), time=shown_age(max(0.0, at - task.started_at))),
            key=f"run_{agent.name}_{task.task_id}",
            icon=":material/play_circle:",
        )
    more = agent.running - min(len(agent.tasks), TASKS_SHOWN)
    if agent.tasks and more > 0:
        st.page_link(
            TASKS.path,
            label=ngettext("{count} more", "{count} more", more).format(count=more),
            icon=":material/more_horiz:",
            query_params={"agent": agent.name, "states": "in_progress"},
        )
