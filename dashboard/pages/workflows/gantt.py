"""Draws when the tasks of a workflow ran: a bar for each shape of its graph, from its first start to its last end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from taskyard.core.humanize import number
from taskyard.dashboard.components.charts import TIME_TICKS, Spec, draw, plain
from taskyard.dashboard.components.states import STATE_COLORS, word
from taskyard.dashboard.components.theme import color
from taskyard.dashboard.components.times import axis_zone, duration, local_times
from taskyard.dashboard.components.zoom import revision, showing
from taskyard.dashboard.i18n import _, enumerated, labelled, ngettext
from taskyard.dashboard.navigation import PANEL
from taskyard.dashboard.pages.workflows.data import Detail
from taskyard.dashboard.pages.workflows.shapes import FOREMOST, Look, in_words, looks_of, name_of, run_seconds, told_of

ROW_PX, REST_PX, MIN_PX = 20, 80, 160
BOX_PX = 500  # more bars scroll in their box
MIN_SHARE = 0.003  # of the time shown, so that the shortest bar can be seen
TOLD_ROWS = 30
WIDTH = 0.7  # of a row
CONFIG = {"doubleClick": "reset"}


def show_gantt(detail: Detail, found: Collection[int]) -> None:
    """Shows the bars; `found` are the positions of the shapes that were searched for: only those are shown then."""
    now = detail.now
    looks = [look for at, look in enumerate(looks_of(detail.drawing, now)) if not found or at in found]
    started = [look for look in looks if look.started_at is not None]
    if not started:
        st.caption(_("No task of it has started yet."))
        return
    title = ngettext("{count} bar", "{count} bars", len(started)).format(count=number(len(started)))
    height_px = max(MIN_PX, REST_PX + ROW_PX * len(started))
    with st.container(height=BOX_PX if height_px > BOX_PX else "content", border=False, key="workflow_bars"):
        draw(
            title,
            go.Figure(figure_of(_in_order(started), detail.forecast.path, now.at), _validate=False),
            alt=_in_words(title, started, now.at),
            key="workflow_gantt",
            height_px=height_px,
            config=CONFIG,
        )
    if waiting := len(looks) - len(started):
        text = (
            ngettext("{count} has not started yet.", "{count} have not started yet.", waiting)
            if now.workflow.ended_at is None
            else ngettext("{count} did not start.", "{count} did not start.", waiting)
        )
        st.caption(text.format(count=number(waiting)))


def figure_of(looks: Sequence[Look], path: Collection[str], at: float) -> Spec:
    """Returns the figure as plotly's JSON; `looks` have started, and are drawn from the top down."""
    starts = [look.started_at or at for look in looks]
    ends = [look.finished_at or at for look in looks]
    first, last = min(starts), max(*ends, min(starts) + 1.0)
    shortest = MIN_SHARE * (last - first)
    critical = frozenset(path)
    rows = {state.value: [row for row, look in enumerate(looks) if look.state == state] for state in FOREMOST}
    data = []
    for state, own in rows.items():
        if not own:
            continue
        times = local_times([*(starts[row] for row in own), last])[:-1]
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": plain(word(state)),
                "y": own,
                "width": WIDTH,
                "base": [time.isoformat() for time in times],
                "x": [1000 * max(shortest, ends[row] - starts[row]) for row in own],  # milliseconds
                "marker": _marker(state, [looks[row] for row in own], critical),
                "customdata": [
                    [told_of(looks[row], at), "stack" if looks[row].shape.is_stack else "task", looks[row].shape.id]
                    for row in own
                ],
                "hoverinfo": "text",
                "hovertemplate": "%{customdata[0]}<extra></extra>",
            }
        )
    return {"data": data, "layout": _layout(looks, first, last)}


def _marker(state: str, looks: Sequence[Look], critical: frozenset[str]) -> Spec:
    is_critical = [not critical.isdisjoint(look.shape.tasks) for look in looks]
    return {
        "color": color(STATE_COLORS[state]),
        "line": {
            "color": [color("primary" if one else "background") for one in is_critical],
            "width": [2 if one else 1 for one in is_critical],
        },
    }


def _layout(looks: Sequence[Look], first: float, last: float) -> Spec:
    shown = [time.isoformat() for time in local_times([first, last])]
    xaxis: dict[str, Any] = {**showing(*shown), "type": "date", "tickformatstops": TIME_TICKS, "side": "top"}
    if zone := axis_zone([first, last]):
        xaxis["title"] = {"text": plain(zone), "font": {"size": 12}}
    return {
        "barmode": "overlay",
        "showlegend": True,
        "hovermode": "closest",
        "uirevision": revision("", last - first),
        "meta": {"graph": PANEL},  # what a click leaves behind of the address
        "xaxis": xaxis,
        "yaxis": {
            "tickmode": "array",
            "tickvals": list(range(len(looks))),
            "ticktext": [plain(name_of(look.shape)) for look in looks],
            "range": [len(looks) - 0.5, -0.5],
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
        },
    }


def _in_order(looks: Sequence[Look]) -> list[Look]:
    return sorted(looks, key=lambda look: (look.started_at or 0.0, look.shape.place))


def _in_words(title: str, looks: Sequence[Look], at: float) -> str:
    longest = sorted(looks, key=lambda look: -(run_seconds(look, at) or 0.0))[:TOLD_ROWS]
    told = [labelled(name_of(look.shape), f"{in_words(look)}, {duration(run_seconds(look, at))}") for look in longest]
    return _("{title}. {text}").format(title=title, text=enumerated(told))
