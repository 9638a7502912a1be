"""Draws the installation's current figures and charts."""

from collections.abc import Mapping, Sequence

import streamlit as st

from taskyard.dashboard.components import states
from taskyard.dashboard.components.charts import Line, bar_chart, time_chart
from taskyard.dashboard.components.empty import show_first_steps
from taskyard.dashboard.components.permitted import is_narrowed, show_left_out
from taskyard.dashboard.components.ranges import pick_range
from taskyard.dashboard.components.states import word
from taskyard.dashboard.components.times import duration
from taskyard.dashboard.data.open_alerts import open_alerts
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.pages.overview import data
from taskyard.dashboard.pages.overview.alerts import show_alerts
from taskyard.dashboard.shell import frame

CARD_WIDTH_PX = 170
CHART_WIDTH_PX = 420
MANY_COLORS = ("blue", "green", "orange", "violet", "red", "yellow", "gray")
CLASS_COLORS = ("red", "orange", "violet", "yellow", "blue", "gray", "green")


def show_now(now: data.OverviewNow) -> None:
    """Shows the current figures."""
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
    with st.grid(2, min_column_width=CHART_WIDTH_PX):
        show_depth(now)
        if not is_narrowed():
            show_agents(now)


def show_figures(now: data.OverviewNow) -> None:
    """Shows one card for each figure, with the last minutes in it."""
    submitted, ended, failed = (list(series) for series in zip(*now.minutes, strict=True))
    recent = now.recent
    attempts = recent.completed + recent.failed + recent.retried
    share = (recent.failed + recent.retried) / attempts if attempts else None
    agents = now.live.agents if now.live else []
    running, slots = sum(a.running for a in agents), sum(a.max_concurrency for a in agents)
    cards: list[tuple[str, str, Sequence[float] | None, str]] = [
        (_("Finished/min"), f"{ended[-2]:,}", ended[:-1], _("Tasks that completed, failed or were cancelled")),
        (_("Enqueued/min"), f"{submitted[-2]:,}", submitted[:-1], _("Accepted tasks")),
        (_("Queue latency p50 / p99"), _pair(recent.wait), None, _("From ready to started, last 5 minutes")),
        (_("Run time p50 / p99"), _pair(recent.run), None, _("Run time of attempts, last 5 minutes")),
        (
            _("Oldest ready task"),
            duration(now.oldest_seconds or None),
            None,
            _("Age of the oldest ready task"),
        ),
        (_("Failed attempts"), "–" if share is None else f"{share:.1%}", failed[:-1], _("Share in the last 5 minutes")),
    ]
    if not is_narrowed():  # how many slots the tasks of others use is not theirs to see
        used = f"{running:,} / {slots:,}"
        cards.insert(5, (_("Slots in use"), used, None, _("Running tasks out of all slots")))
    with st.grid(4, min_column_width=CARD_WIDTH_PX):
        for label, value, series, help_ in cards:
            st.metric(label, value, border=True, height="stretch", help=help_, chart_data=series, chart_type="area")


def show_depth(now: data.OverviewNow) -> None:
    """Shows the ready tasks by priority."""
    names = states.PRIORITIES[::-1]
    lines = [
        Line(word(name), states.PRIORITY_COLORS[name], [now.waiting.get(n, 0) if n == name else 0 for n in names])
        for name in names
    ]
    total = sum(now.waiting.values())
    title = ngettext("{count} task pending", "{count} tasks pending", total).format(count=f"{total:,}")
    labels = [word(name) for name in names]
    bar_chart(title, labels, lines, key="depth", unit=_("tasks"), has_legend=False, height_px=180)


def show_agents(now: data.OverviewNow) -> None:
    """Shows each agent's used slots."""
    agents = now.live.agents if now.live else []
    free = [max(0, agent.max_concurrency - agent.running) for agent in agents]
    lines = [
        Line(_("running"), "blue", [agent.running for agent in agents]),
        Line(_("free"), "gray", free),
    ]
    title = ngettext("{count} agent", "{count} agents", len(agents)).format(count=len(agents))
    height = max(180, 60 + 24 * len(agents))
    bar_chart(title, [agent.name for agent in agents], lines, key="load", unit=_("slots"), height_px=height)


def show_charts(charts: data.Charts) -> None:
    """Shows the charts of the range."""
    per_minute = _("per min")
    with st.grid(2, min_column_width=CHART_WIDTH_PX):
        time_chart(
            _("Throughput"),
            charts.at,
            [
                Line(_("enqueued"), "gray", charts.arrived),
                Line(word("completed"), states.STATE_COLORS["completed"], charts.completed),
                Line(word("failed"), states.STATE_COLORS["failed"], charts.failed),
                Line(_("retried"), "orange", charts.retried),
            ],
            key="throughput",
            unit=per_minute,
        )
        time_chart(
            _("Queue latency"),
            charts.at,
            [
                Line("p50", "blue", charts.wait_p50),
                Line("p99", "violet", charts.wait_p99),
                Line(_("oldest ready"), "red", charts.oldest),
            ],
            key="waiting",
            is_seconds=True,
        )
        time_chart(
            _("Run time"),
            charts.at,
            [Line("p50", "blue", charts.run_p50), Line("p99", "violet", charts.run_p99)],
            key="run_time",
            is_seconds=True,
        )
        time_chart(
            _("Failed attempts by class"),
            charts.at,
            _many({word(name): values for name, values in charts.failures.items()}, CLASS_COLORS)
            or [Line(_("none"), "gray", [0.0] * len(charts.at))],
            key="failures",
            is_stacked=True,
            unit=_("attempts"),
        )
        if is_narrowed():
            return
        depth = {name: [value or 0.0 for value in values] for name, values in charts.depth.items()}
        time_chart(
            _("Ready tasks by queue"),
            charts.at,
            _many(depth) or [Line(_("none"), "gray", [0.0] * len(charts.at))],
            key="depth_over_time",
            is_stacked=True,
            unit=_("tasks"),
        )
        load = {name: [None if v is None else 100 * v for v in values] for name, values in charts.load.items()}
        time_chart(_("Agents' load"), charts.at, _many(load), key="agent_load", unit="%")


def _many(series: Mapping[str, Sequence[float | None]], colors: Sequence[str] = MANY_COLORS) -> list[Line]:
    return [Line(name, colors[n % len(colors)], values) for n, (name, values) in enumerate(series.items())]


def _pair(histogram: object) -> str:
    median, high = histogram.percentile(50), histogram.percentile(99)  # type: ignore[attr-defined]
    return "–" if median is None else f"{duration(median, is_short=True)} / {duration(high, is_short=True)}"


frame.header(_("Overview"))
frame.live("overview_now", data.now, show_now, height_px=300)
frame.live("overview_alerts", open_alerts, show_alerts, shows_update_time=False, height_px=1)
range_seconds = pick_range()
frame.live(
    "overview_charts",
    lambda: data.charts(range_seconds),
    show_charts,
    about=range_seconds,
    every_seconds=5.0,
    shows_update_time=False,
    height_px=500,
)
