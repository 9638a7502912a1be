"""Draws agents' attempts over time, as bars on rows of agents and their slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.i18n import N_
from taskyard.core.states import TaskState
from taskyard.core.telemetry.timeline import RUNNING, Span
from taskyard.core.views.agents import named_with
from taskyard.core.views.timeline import Timeline
from taskyard.dashboard.components.charts import draw, plain
from taskyard.dashboard.components.states import STATE_COLORS, badge_column, word
from taskyard.dashboard.components.tables import show_table, value_column
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.components.task_links import task_column
from taskyard.dashboard.components.theme import color
from taskyard.dashboard.components.times import duration, time_column, time_of
from taskyard.dashboard.i18n import _, enumerated, ngettext
from taskyard.dashboard.pages.agents.rows import axis_times, height_px, rows_layout

ROW_PX = 22
MIN_PX = 120
SHORT_SHARE = 0.005  # of the displayed time
TABLE_ROWS = 500
TABLE_HEIGHT_PX = 320
RETRIED = N_("failed, retried")
# Outcome → its word and colour, as tasks of that state have it.
OUTCOMES: Mapping[str, tuple[str, str]] = {
    RUNNING: (TaskState.IN_PROGRESS, STATE_COLORS[TaskState.IN_PROGRESS]),
    "completed": (TaskState.COMPLETED, STATE_COLORS[TaskState.COMPLETED]),
    "failed": (TaskState.FAILED, STATE_COLORS[TaskState.FAILED]),
    "attempt_failed": (RETRIED, "orange"),
}


def show_gantt(timeline: Timeline, agents: Sequence[str], *, key: str) -> None:
    """Shows the timeline of these agents, and the same as a table."""
    spans = [span for span in timeline.spans if span.agent in set(agents) and span.end >= timeline.since]
    title = ngettext("{count} attempt", "{count} attempts", len(spans)).format(count=number(len(spans)))
    rows = _rows(spans, agents, timeline.shared)
    by_outcome = {outcome: [span for span in spans if span.outcome == outcome] for outcome in OUTCOMES}
    data = [_bars(found, outcome, timeline) for outcome, found in by_outcome.items() if found]
    layout = {**rows_layout(timeline, rows), "bargap": 0.25}
    figure = go.Figure({"data": data, "layout": layout}, _validate=False)
    height = height_px(rows, ROW_PX, MIN_PX)
    draw(title, figure, alt=_in_words(title, spans), key=key, height_px=height)
    if timeline.is_cut:
        st.caption(_("Showing only the longest and newest attempts"))
    if spans:
        show_as_table(spans, key)


def outcome_word(name: str) -> str:
    """Returns the word for an outcome, in the viewer's language."""
    return _(name) if name == RETRIED else word(name)


def _rows(spans: Sequence[Span], agents: Sequence[str], shared: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns one label for each row, also of agents that ran nothing; `shared` has the hosts of shared names."""
    last = {(agent, host): 0 for agent in agents for host in shared.get(agent, ("",))}
    for span in spans:
        whose = span.agent, span.host
        last[whose] = max(last.get(whose, 0), span.row)
    return [_label(agent, host, row) for (agent, host), rows in sorted(last.items()) for row in range(rows + 1)]


def _label(agent: str, host: str, row: int) -> str:
    return f"{plain(named_with(agent, [host]) if host else agent)} · {row + 1}"


def _bars(spans: Sequence[Span], outcome: str, timeline: Timeline) -> dict[str, Any]:
    """Returns the bars of one outcome, as plotly's JSON."""
    name, colour = OUTCOMES[outcome]
    starts = [max(span.start, timeline.since) for span in spans]
    # Attempts of a millisecond must be visible, and consecutive ones distinguishable.
    short_seconds = SHORT_SHARE * (timeline.until - timeline.since)
    outlines = [color(colour if span.end - span.start < short_seconds else "background") for span in spans]
    return {
        "type": "bar",
        "orientation": "h",
        "name": plain(outcome_word(name)),
        "y": [_label(span.agent, span.host, span.row) for span in spans],
        "base": [time.isoformat() for time in axis_times(starts, timeline)],
        "x": [1000 * max(0.0, span.end - start) for span, start in zip(spans, starts, strict=True)],  # milliseconds
        "marker": {"color": color(colour), "line": {"color": outlines, "width": 1}},
        "customdata": [
            [plain(span.type), span.task_id, span.attempt, duration(span.end - span.start)] for span in spans
        ],
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<br>"
        + plain(_("attempt {number}, {time}")).format(number="%{customdata[2]}", time="%{customdata[3]}")
        + "<extra></extra>",
    }


def _in_words(title: str, spans: Sequence[Span]) -> str:
    parts = []
    for outcome, (name, _colour) in OUTCOMES.items():
        count = sum(span.outcome == outcome for span in spans)
        if count:
            parts.append(f"{outcome_word(name)} {number(count)}")
    busy: dict[str, float] = {}
    for span in spans:
        busy[span.agent] = busy.get(span.agent, 0.0) + span.end - span.start
    parts += [f"{agent} {duration(seconds)}" for agent, seconds in busy.items()]
    text = enumerated(parts) if parts else _("No attempts in this period.")
    return _("{title}. {text}").format(title=title, text=text)


def show_as_table(spans: Sequence[Span], key: str) -> None:
    """Shows the newest of the attempts as a table, if the viewer opens it."""
    with st.expander(
        _("As a table"), icon=":material/table_rows:", key=f"{key}_table_open", on_change="rerun"
    ) as opened:
        if not opened.open:
            return
        newest = sorted(spans, key=lambda span: span.start, reverse=True)[:TABLE_ROWS]
        rows = [
            {
                "Type": span.type,
                "Agent": named_with(span.agent, [span.host]) if span.host else span.agent,
                "Outcome": [outcome_word(OUTCOMES[span.outcome][0])],
                "Started": time_of(span.start),
                "Took": span.end - span.start,
                "Attempt": span.attempt,
                "Task": shortened_id(span.task_id),
            }
            for span in newest
        ]
        colors = {outcome_word(name): colour for name, colour in OUTCOMES.values()}
        show_table(
            pd.DataFrame(rows),
            alt=_("Attempts of the last minutes, newest first"),
            columns={
                "Type": st.column_config.TextColumn(_("Type"), pinned=True),
                "Agent": _("Agent"),
                "Outcome": badge_column(_("Outcome"), colors),
                "Started": time_column(_("Started"), is_exact=True),
                "Took": value_column(_("Took")),
                "Attempt": _("Attempt"),
                "Task": task_column([span.task_id for span in newest], key=f"{key}_task"),
            },
            words={"Took": duration},
            key=f"{key}_table",
            height=TABLE_HEIGHT_PX,
        )
