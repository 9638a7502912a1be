"""Draws the graph of a workflow as plotly's JSON: shapes in columns from left to right, and lines between them.

Shapes are bars, since plotly fits texts into these, scales them with the zoom and hides what is too small to be read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from taskyard.core.edges import Condition
from taskyard.core.views.graph_layout import Point
from taskyard.core.views.workflow_graph import Drawing, Line
from taskyard.dashboard.components.charts import Spec
from taskyard.dashboard.components.states import STATE_COLORS
from taskyard.dashboard.components.theme import color
from taskyard.dashboard.components.zoom import showing
from taskyard.dashboard.navigation import PANEL
from taskyard.dashboard.pages.workflows.shapes import Look, lines_of, told_of

ROW_PX, MIN_PX, MAX_PX = 58, 200, 480
READABLE = (150, 42)  # pixels of a column and of a row at which names can be read: with less, only a part is shown
WIDTH, DEPTH, STRIP = 0.74, 0.66, 0.09  # of a shape, and of its strip of states; columns and rows are 1 apart
MIN_COLUMNS, MIN_ROWS = 5, 2  # a small graph is not blown up
MIN_SHARE = 0.03  # of a strip: one that failed among thousands is seen
CURVED_LINES, STEPS = 150, 8  # with more lines they are straight
MARGIN = 0.2
AROUND_COLUMNS, AROUND_ROWS = 2.5, 3.0  # what is shown around what was searched for
TINT = "22"  # the opacity of a fill, as CSS
DASHES: Mapping[str, str] = {Condition.COMPLETED: "solid", Condition.ENDED: "dash", Condition.FAILED: "dot"}
CONFIG: Mapping[str, Any] = {"scrollZoom": True, "doubleClick": "reset"}


def height_px(drawing: Drawing) -> int:
    """Returns the height of the figure."""
    return int(min(MAX_PX, max(MIN_PX, ROW_PX * (_last_row(drawing) + 1) + 30)))


def _last_row(drawing: Drawing) -> float:
    passed = (y for line in drawing.lines for _x, y in line.waypoints)
    return max([*(shape.place[1] for shape in drawing.shapes), *passed], default=0.0)


def figure_of(
    workflow_id: str, drawing: Drawing, looks: Sequence[Look], path: Sequence[str], found: Collection[int], at: float
) -> Spec:
    """Returns the figure. `path` is the critical path, `found` the positions of the shapes that were searched for."""
    critical = [drawing.shape_of[id_] for id_ in path if id_ in drawing.shape_of]
    data = [
        *_line_traces(drawing, set(pairwise(critical))),
        _fills(looks),
        *_strips(looks),
        _frames(looks, critical, found),
        _texts(looks, at),
    ]
    return {"data": data, "layout": _layout(workflow_id, drawing, found)}


def _layout(workflow_id: str, drawing: Drawing, found: Collection[int]) -> Spec:
    x_whole, y_whole = _whole(drawing)
    x_range, y_range = x_whole, y_whole
    if found:
        places = [drawing.shapes[one].place for one in found]
        columns, rows = [x for x, _y in places], [y for _x, y in places]
        x_range = min(columns) - AROUND_COLUMNS, max(columns) + AROUND_COLUMNS
        y_range = min(rows) - AROUND_ROWS, max(rows) + AROUND_ROWS
    hidden = {"visible": False, "showgrid": False, "zeroline": False}
    return {
        "barmode": "overlay",
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": "pan",
        "uniformtext": {"minsize": 7, "mode": "hide"},
        "uirevision": " ".join((workflow_id, *map(str, sorted(found)[:5]))),
        # what a click leaves behind of the address, and how much of it is shown: see graph.js
        "meta": {"graph": PANEL, "readable": READABLE, "whole": (x_whole, y_whole)},
        "xaxis": {**hidden, **showing(*x_range)},
        "yaxis": {**hidden, **_downwards(*y_range)},
        "font": {"color": color("text")},
    }


def _whole(drawing: Drawing) -> tuple[tuple[float, float], tuple[float, float]]:
    """Returns the ends of both axes that show all of it."""
    last_column, last_row = max(shape.place[0] for shape in drawing.shapes), _last_row(drawing)
    spare = max(0.0, MIN_ROWS - 1 - last_row) / 2
    return (
        (-WIDTH / 2 - MARGIN, max(last_column, MIN_COLUMNS - 1) + WIDTH / 2 + MARGIN),
        (-DEPTH / 2 - MARGIN - spare, last_row + DEPTH / 2 + MARGIN + spare),
    )


def _downwards(first: float, last: float) -> Spec:
    return {**showing(first, last), "autorange": "reversed"}


def _line_traces(drawing: Drawing, critical: Collection[tuple[int, int]]) -> Iterator[Spec]:
    """Yields a trace for the lines of each condition, and one for those of the critical path."""
    is_curved = len(drawing.lines) <= CURVED_LINES
    kinds: dict[tuple[Condition, bool], list[Line]] = {}
    for line in drawing.lines:
        condition = line.conditions[0] if len(line.conditions) == 1 else Condition.COMPLETED
        kinds.setdefault((condition, (line.start, line.end) in critical), []).append(line)
    for (condition, is_critical), lines in sorted(kinds.items(), key=lambda kind: kind[0][1]):
        xs: list[float | None] = []
        ys: list[float | None] = []
        for line in lines:
            points = _points(drawing, line, is_curved)
            xs += [*(round(x, 3) for x, _y in points), None]
            ys += [*(round(y, 3) for _x, y in points), None]
        yield {
            "type": "scatter",
            "mode": "lines",
            "x": xs,
            "y": ys,
            "hoverinfo": "skip",
            "line": {
                "color": color("primary" if is_critical else "red" if condition == Condition.FAILED else "gray"),
                "width": 2.5 if is_critical else 1,
                "dash": DASHES[condition],
            },
        }


def _points(drawing: Drawing, line: Line, is_curved: bool) -> list[Point]:
    """Returns the points of a line, from the right side of a shape to the left side of another.

    It passes columns horizontally, beside their shapes.
    """
    start, end = drawing.shapes[line.start].place, drawing.shapes[line.end].place
    passed = [(x + side, y) for x, y in line.waypoints for side in (-WIDTH / 2, WIDTH / 2)]
    points = [(start[0] + WIDTH / 2, start[1]), *passed, (end[0] - WIDTH / 2, end[1])]
    if not is_curved:
        return points
    smooth = [points[0]]
    for one, other in pairwise(points):
        smooth += [other] if one[1] == other[1] else list(_curve(one, other))
    return smooth


def _curve(start: Point, end: Point) -> Iterator[Point]:
    """Yields the points behind the first of a curve that leaves and arrives horizontally."""
    for step in range(1, STEPS + 1):
        share = step / STEPS
        height = share * share * (3 - 2 * share)
        yield start[0] + share * (end[0] - start[0]), start[1] + height * (end[1] - start[1])


def _bars(looks: Sequence[Look], **more: Any) -> Spec:
    """Returns a trace with a bar for each shape."""
    return {
        "type": "bar",
        "orientation": "h",
        "base": [round(look.shape.place[0] - WIDTH / 2, 3) for look in looks],
        "x": [WIDTH] * len(looks),
        "y": [round(look.shape.place[1], 3) for look in looks],
        "width": DEPTH,
        "hoverinfo": "skip",
        **more,
    }


def _fills(looks: Sequence[Look]) -> Spec:
    """Returns the shapes' fills: opaque, since lines may pass below them."""
    return _bars(looks, marker={"color": color("background"), "line": {"width": 0}, "cornerradius": 4})


def _strips(looks: Sequence[Look]) -> Iterator[Spec]:
    """Yields, for each state, the parts of the strips at the lower edges that say how many tasks are in it."""
    parts: dict[str, list[tuple[float, float, float]]] = {}
    for look in looks:
        x, y = look.shape.place
        left, counts = x - WIDTH / 2, [max(count, MIN_SHARE * len(look.nodes)) for count in look.counts.values()]
        for state, count in zip(look.counts, counts, strict=True):
            share = WIDTH * count / sum(counts)
            parts.setdefault(state, []).append((left, share, y + (DEPTH - STRIP) / 2))
            left += share
    for state, bars in parts.items():
        yield {
            "type": "bar",
            "orientation": "h",
            "base": [round(left, 4) for left, _share, _y in bars],
            "x": [round(share, 4) for _left, share, _y in bars],
            "y": [round(y, 3) for _left, _share, y in bars],
            "width": STRIP,
            "hoverinfo": "skip",
            "marker": {"color": color(STATE_COLORS[state]), "line": {"width": 0}},
        }


def _frames(looks: Sequence[Look], critical: Collection[int], found: Collection[int]) -> Spec:
    """Returns the frames, in the colours of states; what was searched for, and the critical path, have thicker ones."""
    colors = [color(STATE_COLORS[look.state]) for look in looks]
    frames = [color("primary") if at in found else own for at, own in enumerate(colors)]
    widths = [4 if at in found else 2.5 if at in critical else 1.2 for at in range(len(looks))]
    return _bars(
        looks, marker={"color": [f"{one}{TINT}" for one in colors], "line": {"color": frames, "width": widths}}
    )


def _texts(looks: Sequence[Look], at: float) -> Spec:
    """Returns the shapes' texts, and what a pointer tells and a click opens."""
    return _bars(
        looks,
        marker={"color": "rgba(0,0,0,0)", "line": {"width": 0}},
        text=["<br>".join(lines_of(look, at)) for look in looks],
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        constraintext="inside",
        insidetextfont={"size": 12, "color": color("text")},
        customdata=[[told_of(look, at), "stack" if look.shape.is_stack else "task", look.shape.id] for look in looks],
        hoverinfo="text",
        hovertemplate="%{customdata[0]}<extra></extra>",
    )
