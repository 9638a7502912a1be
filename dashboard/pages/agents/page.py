"""Draws the Agents page: what each agent runs, how reliably, and its controls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.i18n import N_
from taskyard.core.scheduling.holds import HoldKind
from taskyard.dashboard.components import address, hold_controls
from taskyard.dashboard.components.dialogs import tell
from taskyard.dashboard.components.empty import show_nothing
from taskyard.dashboard.components.list_controls import pick_sort, pick_text, pick_view
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.paging import CARDS, ROWS, page_of
from taskyard.dashboard.components.permitted import is_narrowed, show_left_out
from taskyard.dashboard.components.ranges import pick_range
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.task_links import without_task
from taskyard.dashboard.data import controls
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.agents import data
from taskyard.dashboard.pages.agents.cards import show_cards
from taskyard.dashboard.pages.agents.data import Agent
from taskyard.dashboard.pages.agents.detail import show_agent, show_usage
from taskyard.dashboard.pages.agents.pools import open_pending_scaling, show_pools
from taskyard.dashboard.pages.agents.slower import show_slowest, worst_ratio
from taskyard.dashboard.pages.agents.table import show_gone, show_reliability, show_rows
from taskyard.dashboard.pages.agents.timeline import timeline_section
from taskyard.dashboard.pages.task.panel import show_panel
from taskyard.dashboard.shell import frame

STATES = ("online", "paused", "draining", "silent")
SORTS: dict[str, tuple[str, Callable[[Agent, float], Any]]] = {  # by the agent, and how much slower it is
    "name": (N_("Name"), lambda agent, _slower: agent.name),
    "slow": (N_("Slowest"), lambda agent, slower: (-slower, agent.name)),
    "load": (N_("Load"), lambda agent, _slower: -agent.load),
    "cpu": (N_("CPU"), lambda agent, _slower: -(agent.cpu_percent or 0.0)),
    "memory": (N_("Memory"), lambda agent, _slower: -(agent.memory_bytes or 0)),
    "heartbeat": (N_("Heartbeat"), lambda agent, _slower: -(agent.heartbeat_seconds or 0.0)),
}
RANGE = "24h"  # shorter ones often have too few attempts to compare agents
START_ONE = "taskyard run"


@dataclass(frozen=True, slots=True)
class Choice:
    """The viewer's choice of agents and view."""

    view: str
    text: str
    state: str | None
    type: str | None
    sort: str

    def fits(self, agent: Agent) -> bool:
        """Returns True if the agent matches."""
        known = " ".join((agent.name, agent.kind, agent.host, *agent.tags)).lower()
        return (
            self.text.lower() in known
            and self.state in (None, agent.state)
            and (self.type is None or agent.takes(self.type))
        )


def pick() -> Choice:
    """Shows the controls over the list."""
    types = data.task_types().value or ()
    with st.container(horizontal=True, vertical_alignment="center"):
        view = pick_view()
        text = pick_text(_("Name, kind, host or tag"))
        with st.popover(_("Filter and sort"), icon=":material/tune:"):
            state = st.selectbox(
                _("State"),
                STATES,
                index=None,
                placeholder=_("Any"),
                format_func=word,
                **address.choice("state", STATES),
            )
            task_type = st.selectbox(
                _("Takes type"), types, index=None, placeholder=_("Any"), **address.choice("type", types)
            )
            sort = pick_sort(SORTS, "name")
    return Choice(view, text, state, task_type, sort)


def show_now(now: data.AgentsNow, records: data.Records, choice: Choice) -> None:
    """Shows the present agents."""
    hold_controls.leave_section()
    warn_if_not_led(now)
    if not now.agents:
        show_no_agents()
        return
    slower = {name: worst_ratio(by_type) for name, by_type in records.items()}
    order = SORTS[choice.sort][1]
    fitting = [agent for agent in now.agents if choice.fits(agent)]
    found = sorted(fitting, key=lambda agent: order(agent, slower.get(agent.name, 0.0)))
    show_slowest(now.agents, records)
    show_summary(now.agents, found)
    if not found:
        show_nothing(_("No agent matches the filter."), "filter_alt_off")
    elif choice.view == "table":
        show_rows(page_of(found, ROWS, key="agents_table_page"), records, open_agent, key="agents_table")
    else:
        show_cards(page_of(found, CARDS, key="agents_page"), records, now.at)
    if found:
        st.caption(_("Success, attempts and run times are those of the time range."))


def warn_if_not_led(now: data.AgentsNow) -> None:
    """Shows what is unknown without a leader."""
    if not now.is_led:
        st.warning(
            _("The agents are shown as recorded in PostgreSQL: their running tasks, load and heartbeats are unknown."),
            title=_("No worker leads"),
            icon=":material/person_off:",
        )


def show_left_out_of() -> None:
    """Says what is not shown to those whose role is narrowed."""
    if is_narrowed():
        show_left_out()


def show_summary(agents: Sequence[Agent], found: Sequence[Agent]) -> None:
    """Shows their number, and a menu for all that match."""
    running, slots = sum(agent.running or 0 for agent in found), sum(agent.slots for agent in found)
    count = ngettext("{count} agent", "{count} agents", len(found)).format(count=number(len(found)))
    of_all = _(" of {count}").format(count=number(len(agents))) if len(found) < len(agents) else ""
    load = _("{running} of {slots} slots in use").format(running=number(running), slots=number(slots))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{count}{of_all}**, {load}")
        if len(found) > 1:
            hold_controls.show_bulk_menu(HoldKind.AGENT, [agent.name for agent in found], key="agents_bulk")


def show_no_agents() -> None:
    """Shows how to start an agent."""
    with st.container(border=True, key="no_agents"):
        st.subheader(_("No agent is registered"))
        st.markdown(_("A worker starts the agents of its pool. Until then tasks are accepted and wait."))
        st.code(START_ONE, language="shell")
        st.caption(_("Agents on other hosts need only Redis: see `taskyard agent --help`."))


def close_agent() -> None:
    """Goes back to the list."""
    address.change(**without_task(agent=None))


def open_agent(name: str) -> None:
    """Opens one agent on the page."""
    st.query_params["agent"] = name


def show_one(now: data.AgentsNow, records: data.Records, name: str) -> None:
    """Shows one agent as of now."""
    hold_controls.leave_section()
    warn_if_not_led(now)
    agent = next((agent for agent in now.agents if agent.name == name), None)
    if agent is None:
        show_nothing(_("No agent with this name is running now. Its earlier attempts are below."), "smart_toy")
        return
    show_agent(agent, records.get(name, {}), now.at)


def list_page() -> None:
    """Draws the list of all agents."""
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="agents_head"
    ):
        frame.header(_("Agents"))
        range_seconds = pick_range(default=RANGE)
    show_left_out_of()
    choice = pick()
    frame.live(
        "agents_now",
        lambda: data.now_and_records(range_seconds),
        lambda found: show_now(*found, choice),
        about=range_seconds,
        height_px=400,
    )
    st.subheader(_("Pools"))
    frame.live("agents_pools", data.pools, show_pools, shows_update_time=False, height_px=80)
    timeline_section(range_seconds)
    by_type = st.expander(_("By type"), icon=":material/fact_check:", key="agents_by_type_open", on_change="rerun")
    if by_type.open:
        with by_type:
            show_by_type(range_seconds)
    gone = st.expander(
        _("Left or lost in the last day"), icon=":material/logout:", key="agents_gone_open", on_change="rerun"
    )
    if gone.open:
        with gone:
            frame.live(
                "agents_gone", data.now, lambda now: show_gone(now.gone), every_seconds=5.0, shows_update_time=False
            )


def show_by_type(range_seconds: int) -> None:
    """Shows each agent's results by type over a range."""
    frame.live(
        "agents_records",
        lambda: data.records(range_seconds),
        lambda records: show_reliability(records, key="agents_by_type"),
        about=range_seconds,
        every_seconds=5.0,
        shows_update_time=False,
    )


def agent_page(name: str) -> None:
    """Draws the page of one agent."""
    st.query_params["agent"] = name  # a link to the same page leaves the browser's address as it was
    st.button(_("All agents"), icon=":material/arrow_back:", type="tertiary", key="agents_back", on_click=close_agent)
    now = data.now().value
    frame.header(escaped(next((agent.title for agent in now.agents if agent.name == name), name) if now else name))
    show_left_out_of()
    range_seconds = pick_range(default=RANGE)
    frame.live(
        "agent_now",
        lambda: data.now_and_records(range_seconds),
        lambda found: show_one(*found, name),
        about=(name, range_seconds),
        height_px=300,
    )
    frame.live(
        "agent_usage",
        lambda: data.usage(name, range_seconds),
        show_usage,
        about=(name, range_seconds),
        every_seconds=5.0,
        shows_update_time=False,
        height_px=300,
    )
    timeline_section(range_seconds, name)
    st.subheader(_("By type"))
    frame.live(
        "agent_records",
        lambda: data.records(range_seconds),
        lambda records: show_reliability({n: r for n, r in records.items() if n == name}, key="agent_by_type"),
        about=(name, range_seconds),
        every_seconds=5.0,
        shows_update_time=False,
    )


tell()
hold_controls.open_pending(controls.act)
open_pending_scaling()
if st.query_params.get("agent"):
    agent_page(st.query_params["agent"])
else:
    list_page()
show_panel()
