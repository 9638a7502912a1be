"""Lays out rows of agents over the time of a timeline, whatever is drawn on them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from taskyard.core.views.timeline import Timeline
from taskyard.dashboard.components.charts import TIME_TICKS, Spec
from taskyard.dashboard.components.times import local_times
from taskyard.dashboard.components.zoom import revision, showing

MAX_PX = 900


def rows_layout(timeline: Timeline, rows: Sequence[str]) -> Spec:
    """Returns the layout as plotly's JSON: the timeline's range across, the rows from the top down."""
    first, last = (time.isoformat() for time in local_times([timeline.since, timeline.until]))
    return {
        "barmode": "overlay",
        "showlegend": True,
        "uirevision": revision("", timeline.until - timeline.since),
        "xaxis": {**showing(first, last), "type": "date", "tickformatstops": TIME_TICKS},
        "yaxis": {
            "type": "category",
            "categoryorder": "array",
            "categoryarray": rows,
            "range": [len(rows) - 0.5, -0.5],
            "fixedrange": True,
            "showgrid": False,
        },
    }


def height_px(rows: Sequence[str], row_px: int, least_px: int) -> int:
    """Returns the height of a figure of so many rows, with its axis."""
    return min(MAX_PX, max(least_px, row_px * len(rows) + 70))


def axis_times(starts: Sequence[float], timeline: Timeline) -> Sequence[datetime]:
    """Returns times as they are on the axis: all with the distance from UTC that its end has."""
    return local_times([*starts, timeline.until])[:-1]
