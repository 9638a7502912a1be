"""Draws predicted against actual run times of single tasks; a click on one opens it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import plotly.graph_objects as go
import streamlit as st

from taskyard.core.humanize import number, percent
from taskyard.dashboard.components.charts import Spec, draw, plain
from taskyard.dashboard.components.device import is_narrow
from taskyard.dashboard.components.foremost_lines import COLORS
from taskyard.dashboard.components.log_axis import labelled_durations
from taskyard.dashboard.components.markdown_escape import escaped
from taskyard.dashboard.components.theme import color
from taskyard.dashboard.components.times import duration, span, time_of
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.i18n import _, ngettext
from taskyard.dashboard.navigation import PANEL
from taskyard.dashboard.pages.learning.data import MAX_TASKS, Ended, Held, LastEnded, by_type_of_tasks, total_of

HEIGHT_PX = 420
LEAST_SECONDS = 1e-3  # shorter ones are drawn here: a logarithm has no zero
STEPS_PER_DECADE = 2  # of the ends of both axes, so that they seldom change
OWN_COLORS = COLORS[:-1]  # of the types with most tasks; the last one is that of the others
MAX_NAME_LENGTH = 40
WIDE_TICKS, NARROW_TICKS = 8, 5


def show_scatter(ended: Ended) -> None:
    """Shows the tasks as points, and how many they are of how many."""
    held = total_of(by_type_of_tasks(ended.tasks))
    title = _("Predicted against actual run time")
    draw(
        title,
        go.Figure(scatter_spec(ended.tasks), _validate=False),
        alt=_("{title}. {text}").format(title=title, text=_in_words(held)),
        key="learning_scatter",
        height_px=HEIGHT_PX,
        help_=_(
            "A point is a task: to the right what was predicted, upwards how long it ran. On the dashed line both are"
            " the same; above it the task took longer. A click opens the task."
        ),
    )
    st.caption(_told_of(ended))


def scatter_spec(tasks: Sequence[LastEnded]) -> Spec:
    """Returns the figure as plotly's JSON."""
    types = [one.type for one in by_type_of_tasks(tasks)]
    own, others = types[: len(OWN_COLORS)], set(types[len(OWN_COLORS) :])
    words = _words()
    ends = _ends(tasks)
    data: list[Spec] = [_diagonal(ends)]
    if others:  # first, so that they are below the points that have colours of their own
        data.append(_points([task for task in tasks if task.type in others], _others_name(len(others)), "gray", words))
    for name, own_color in zip(own, OWN_COLORS, strict=False):
        data.append(_points([task for task in tasks if task.type == name], name[:MAX_NAME_LENGTH], own_color, words))
    axis = _axis(*ends)
    layout = {
        "hovermode": "closest",
        "showlegend": True,
        "meta": {"graph": PANEL},  # a click opens the task: see dashboard/browser/graph.js
        "xaxis": axis,
        "yaxis": axis,
        # within the axes: outside, there is the legend
        "annotations": [_axis_name(_("predicted →"), 1, 0), _axis_name(_("↑ ran"), 0, 1)],
    }
    return {"data": data, "layout": layout}


def _points(tasks: Sequence[LastEnded], name: str, color_name: str, words: Callable[[float], str]) -> Spec:
    text = plain(_("predicted {predicted} ({low} to {high}), ran {ran}")).format(
        predicted="%{customdata[3]}", low="%{customdata[4]}", high="%{customdata[5]}", ran="%{customdata[0]}"
    )
    return {
        "type": "scatter",
        "mode": "markers",
        "name": plain(name),
        "x": [_drawn(task.predicted_seconds) for task in tasks],
        "y": [_drawn(task.run_seconds) for task in tasks],
        "marker": {"size": 6, "opacity": 0.6, "color": color(color_name)},
        "customdata": [
            [
                words(task.run_seconds),
                "task",
                task.id,
                words(task.predicted_seconds),
                words(task.predicted_low),
                words(task.predicted_high),
                plain(task.type),
            ]
            for task in tasks
        ],
        "hovertemplate": f"%{{customdata[6]}}<br>{text}<extra></extra>",
    }


def _diagonal(ends: tuple[float, float]) -> Spec:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": plain(_("as predicted")),
        "x": list(ends),
        "y": list(ends),
        "line": {"color": color("gray"), "width": 1, "dash": "dash"},
        "hoverinfo": "skip",
    }


def _axis(least: float, most: float) -> Spec:
    ticks = labelled_durations(least, most, NARROW_TICKS if is_narrow() else WIDE_TICKS)
    return {
        "type": "log",
        "range": [math.log10(least), math.log10(most)],
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [span(tick) for tick in ticks],
    }


def _axis_name(text: str, x: int, y: int) -> Spec:
    """Returns the name of an axis in a corner of the plot, by the corner's place on a paper of 1 × 1."""
    return {
        "text": plain(text),
        "xref": "paper",
        "yref": "paper",
        "x": x,
        "y": y,
        "xanchor": "right" if x else "left",
        "yanchor": "top" if y else "bottom",
        "showarrow": False,
        "font": {"size": 12, "color": color("gray")},
    }


def _ends(tasks: Sequence[LastEnded]) -> tuple[float, float]:
    """Returns the ends of both axes in seconds, in whole steps around all values."""
    values = [_drawn(value) for task in tasks for value in (task.predicted_seconds, task.run_seconds)] or [1.0]
    least, most = (STEPS_PER_DECADE * math.log10(end) for end in (min(values) * 0.9, max(values) * 1.1))
    return 10.0 ** (math.floor(least) / STEPS_PER_DECADE), 10.0 ** (math.ceil(most) / STEPS_PER_DECADE)


def _drawn(seconds: float) -> float:
    return float(f"{max(LEAST_SECONDS, seconds):.4g}")


def _words() -> Callable[[float], str]:
    """Returns `duration`, which remembers: tasks of one key have the same predictions."""
    known: dict[str, str] = {}

    def words(seconds: float) -> str:
        rounded = f"{seconds:.3g}"
        if rounded not in known:
            known[rounded] = duration(float(rounded))
        return known[rounded]

    return words


def _others_name(count: int) -> str:
    return ngettext("{count} other type", "{count} other types", count).format(count=number(count))


def _told_of(ended: Ended) -> str:
    """Returns of which tasks the points are."""
    count = len(ended.tasks)
    if ended.is_whole:
        text = ngettext("{count} task", "{count} tasks", count)
    elif count >= MAX_TASKS:
        text = _("The last {count} tasks of this time range")
    else:
        text = _("{count} tasks that ended since {time}: there are too many to look further back")
    return text.format(count=number(count), time=escaped(shown_time(time_of(ended.since))))


def _in_words(held: Held) -> str:
    if not held.tasks:
        return _("No tasks.")
    text = _("{count} tasks: {share} ran as long as their interval said, {above} longer, {below} shorter")
    return text.format(
        count=number(held.tasks),
        share=percent(held.coverage),
        above=percent(held.above / held.tasks),
        below=percent(held.below / held.tasks),
    )
