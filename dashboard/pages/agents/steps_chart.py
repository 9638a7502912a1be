"""Draws what agents ran over a range as bars of steps, where single attempts are too many."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from taskyard.core.humanize import number
from taskyard.core.telemetry.timeline import RUNNING, Step
from taskyard.core.views.agents import named_with
from taskyard.core.views.timeline import Timeline
from taskyard.dashboard.components.charts import Spec, draw, plain
from taskyard.dashboard.components.theme import color
from taskyard.dashboard.components.times import duration, span
from taskyard.dashboard.i18n import _, enumerated, ngettext
from taskyard.dashboard.pages.agents.gantt import OUTCOMES, outcome_word, show_as_table
from taskyard.dashboard.pages.agents.rows import axis_times, height_px, rows_layout

ROW_PX = 30
MIN_PX = 170  # the legend stands below the axis
FULL, LEAST, RUNNING_SHARE = 0.86, 0.12, 0.2  # of a row's height
WIDTH_SHARE = 0.92  # of a step


def show_steps(timeline: Timeline, agents: Sequence[str], *, key: str) -> None:
    """Shows a row of bars for each agent, what runs now, and the newest single attempts as a table."""
    shown = set(agents)
    steps = [step for step in timeline.steps if step.agent in shown]
    spans = [one for one in timeline.spans if one.agent in shown]
    count = sum(step.completed + step.failed for step in steps)
    title = ngettext("{count} attempt", "{count} attempts", count).format(count=number(count))
    figure = go.Figure(steps_spec(timeline, agents), _validate=False)
    height = height_px(agents, ROW_PX, MIN_PX)
    draw(title, figure, alt=_in_words(title, steps), key=key, height_px=height)
    st.caption(
        _(
            "Each bar is what ended within {step}: the taller, the more run time; red is the share that failed. "
            "A shorter time shows single attempts."
        ).format(step=span(timeline.step_seconds))
    )
    if spans:
        show_as_table(spans, key)


def steps_spec(timeline: Timeline, agents: Sequence[str]) -> Spec:
    """Returns the figure as plotly's JSON."""
    shown = set(agents)
    steps = [step for step in timeline.steps if step.agent in shown]
    traces = [*(_bars(steps, timeline, is_failed=is_failed) for is_failed in (False, True)), _running(timeline, shown)]
    rows = [_title(agent, timeline) for agent in agents]
    return {"data": [trace for trace in traces if trace["y"]], "layout": rows_layout(timeline, rows)}


def _title(agent: str, timeline: Timeline) -> str:
    """Returns the label of an agent's row; roll-ups do not know the host, so all hosts of a name are on one."""
    hosts = timeline.shared.get(agent)
    return plain(named_with(agent, hosts) if hosts else agent)


def _bars(steps: Sequence[Step], timeline: Timeline, *, is_failed: bool) -> Spec:
    """Returns a bar for each step, as plotly's JSON; with `is_failed` the part of it that failed, which covers it."""
    most = max((step.run_seconds for step in steps), default=0.0) or 1.0
    found = [step for step in steps if step.failed or not is_failed]
    name, colour = OUTCOMES["failed" if is_failed else "completed"]
    heights = [max(LEAST, FULL * math.sqrt(step.run_seconds / most)) for step in found]  # small ones stay visible
    if is_failed:
        heights = [
            max(LEAST / 2, height * step.failed / (step.completed + step.failed))
            for height, step in zip(heights, found, strict=True)
        ]
    starts = axis_times([step.start for step in found], timeline)
    ends = [min(step.start + timeline.step_seconds, timeline.until) for step in found]
    return {
        "type": "bar",
        "orientation": "h",
        "name": plain(outcome_word(name)),
        "y": [_title(step.agent, timeline) for step in found],
        "base": [start.isoformat() for start in starts],
        "x": [1000 * WIDTH_SHARE * max(1.0, end - step.start) for end, step in zip(ends, found, strict=True)],
        "width": heights,
        "marker": {"color": color(colour), "line": {"width": 0}},
        "customdata": [
            [number(step.completed + step.failed), number(step.failed), duration(step.run_seconds), f"{at:%m-%d %H:%M}"]
            for step, at in zip(found, starts, strict=True)
        ],
        "hovertemplate": "%{customdata[3]}<br>"
        + plain(_("attempts {count}, failed {failed}, run time {time}")).format(
            count="%{customdata[0]}", failed="%{customdata[1]}", time="%{customdata[2]}"
        )
        + "<extra></extra>",
    }


def _running(timeline: Timeline, agents: set[str]) -> Spec:
    """Returns what runs now, which no step counts yet, as thin bars."""
    found = [one for one in timeline.spans if one.outcome == RUNNING and one.agent in agents]
    name, colour = OUTCOMES[RUNNING]
    starts = [max(one.start, timeline.since) for one in found]
    return {
        "type": "bar",
        "orientation": "h",
        "name": plain(outcome_word(name)),
        "y": [_title(one.agent, timeline) for one in found],
        "base": [time.isoformat() for time in axis_times(starts, timeline)],
        "x": [1000 * max(0.0, one.end - start) for one, start in zip(found, starts, strict=True)],
        "width": RUNNING_SHARE,
        "marker": {"color": color(colour), "line": {"width": 0}},
        "customdata": [[plain(one.type), one.task_id, duration(one.end - one.start)] for one in found],
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
    }


def _in_words(title: str, steps: Sequence[Step]) -> str:
    counts: dict[str, int] = {}
    for step in steps:
        counts[step.agent] = counts.get(step.agent, 0) + step.completed + step.failed
    text = enumerated(f"{agent} {number(count)}" for agent, count in counts.items())
    return _("{title}. {text}").format(title=title, text=text or _("No attempts in this period."))
