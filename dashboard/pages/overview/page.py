"""Draws the installation's current figures and charts."""

import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.telemetry.timeline import shared_names
from taskyard.core.views.agents import named_with
from taskyard.dashboard.components import states
from taskyard.dashboard.components.charts import Line, bar_chart
from taskyard.dashboard.components.empty import show_first_steps
from taskyard.dashboard.components.permitted import is_narrowed, show_left_out
from taskyard.dashboard.components.ranges import pick_range
from taskyard.dashboard.components.states import word
from taskyard.dashboard.data.open_alerts import alert_summary
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.overview import data
from taskyard.dashboard.pages.overview.alerts import show_alerts
from taskyard.dashboard.pages.overview.charts import show_charts
from taskyard.dashboard.pages.overview.figures import show_figures
from taskyard.dashboard.shell import frame

CHART_WIDTH_PX = 420


def show_now(now: data.OverviewNow) -> None:
    """Shows the current figures, and what stands in the way of any."""
    if now.live is None:
        st.warning(
            _("Nothing is scheduled until a worker leads. Tasks are accepted and wait."),
            title=_("No worker leads"),
            icon=":material/person_off:",
        )
    if not now.has_tasks:
        show_first_steps()
    if is_narrowed():
        show_left_out()
    show_figures(now)


def show_capacity(now: data.OverviewNow) -> None:
    """Shows what waits, and who could take it."""
    with st.grid(2, min_column_width=CHART_WIDTH_PX):
        show_depth(now)
        if not is_narrowed():
            show_agents(now)


def show_depth(now: data.OverviewNow) -> None:
    """Shows the ready tasks by priority."""
    total = sum(now.waiting.values())
    title = ngettext("{count} task pending", "{count} tasks pending", total).format(count=number(total))
    if not total:
        show_small(title)
        return
    names = states.PRIORITIES[::-1]
    lines = [
        Line(word(name), states.PRIORITY_COLORS[name], [now.waiting.get(n, 0) if n == name else 0 for n in names])
        for name in names
    ]
    labels = [word(name) for name in names]
    bar_chart(title, labels, lines, key="depth", unit=_("tasks"), has_legend=False, height_px=180)


def show_agents(now: data.OverviewNow) -> None:
    """Shows each agent's used slots."""
    agents = now.live.agents if now.live else []
    title = ngettext("{count} agent", "{count} agents", len(agents)).format(count=len(agents))
    if not agents:
        show_small(title)
        return
    free = [max(0, agent.usable_slots - agent.running) for agent in agents]
    lines = [
        Line(_("running"), "blue", [agent.running for agent in agents]),
        Line(_("free"), "border", free),  # pale: what is busy is what one looks for
    ]
    height = max(180, 60 + 24 * len(agents))
    shared = shared_names(agents)  # a chart adds up bars of the same label
    names = [named_with(agent.name, [agent.host]) if agent.name in shared else agent.name for agent in agents]
    bar_chart(title, names, lines, key="load", unit=_("slots"), height_px=height)


def show_small(title: str) -> None:
    """Shows the place of a chart that has nothing to draw."""
    with st.container(border=True):
        st.markdown(f"**{title}**")


with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="overview_head"):
    frame.header(_("Overview"))
    range_seconds = pick_range()
frame.live("overview_now", data.now, show_now, height_px=90)
frame.live("overview_alerts", alert_summary, show_alerts, shows_update_time=False, height_px=1)
frame.live(
    "overview_charts",
    lambda: data.charts(range_seconds),
    show_charts,
    about=range_seconds,
    every_seconds=5.0,
    shows_update_time=False,
    height_px=500,
)
frame.live("overview_capacity", data.now, show_capacity, shows_update_time=False, height_px=180)
