"""The states of a task as a graph, with the way that one took through them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from core.states import TRANSITIONS, WAITING, TaskState
from dashboard.components.charts import draw
from dashboard.components.states import STATE_COLORS, word
from dashboard.components.theme import color
from dashboard.i18n import _

NUMBERS_SHOWN = 4  # of one transition that was made several times
HEIGHT_PX = 250
STEPS_IN_WORDS = 30
WIDTH, DEPTH = (-0.15, 4.75), (-0.1, 3.55)
CURVE_POINTS = 150
ROUND = 0.68  # height of a unit by its width
BOX = (0.38, 0.22)  # half a state's size

Step = tuple[str | None, str]
Point = tuple[float, float]

START: Point = (0.0, 2.0)
PLACES: Mapping[str, Point] = {
    TaskState.BLOCKED: (1.0, 3.2),
    TaskState.PENDING: (1.0, 2.0),
    TaskState.SCHEDULED: (1.0, 0.8),
    TaskState.ASSIGNED: (2.1, 2.0),
    TaskState.IN_PROGRESS: (3.2, 2.0),
    TaskState.COMPLETED: (4.3, 3.0),
    TaskState.FAILED: (4.3, 2.0),
    TaskState.CANCELLED: (4.3, 0.9),
}
# How far a transition's middle is pulled off its straight line, so that none runs through a state or over its reverse.
BENDS: Mapping[Step, Point] = {
    (TaskState.BLOCKED, TaskState.SCHEDULED): (-1.1, 0.0),
    (TaskState.BLOCKED, TaskState.CANCELLED): (0.5, 1.8),
    (TaskState.PENDING, TaskState.ASSIGNED): (0.0, 0.35),
    (TaskState.ASSIGNED, TaskState.PENDING): (0.0, -0.35),
    (TaskState.SCHEDULED, TaskState.ASSIGNED): (0.25, -0.45),
    (TaskState.ASSIGNED, TaskState.SCHEDULED): (-0.1, 0.25),
    (TaskState.PENDING, TaskState.CANCELLED): (-0.3, -0.5),
    (TaskState.IN_PROGRESS, TaskState.PENDING): (0.0, 1.3),
    (TaskState.IN_PROGRESS, TaskState.SCHEDULED): (0.4, -0.5),
    (TaskState.ASSIGNED, TaskState.FAILED): (0.0, 1.0),
    (TaskState.FAILED, TaskState.PENDING): (0.1, 2.7),
    (TaskState.CANCELLED, TaskState.PENDING): (0.0, -2.2),
    (TaskState.SCHEDULED, TaskState.CANCELLED): (0.0, -0.3),
}


def show_diagram(path: Sequence[Step], current: str) -> None:
    """All states and legal transitions; those of `path` stand out and bear their places in it."""
    draw(_("Way through the states"), figure_of(path, current), alt=in_words(path), key="states", height_px=HEIGHT_PX)


def in_words(path: Sequence[Step]) -> str:
    """The way as a line of text."""
    first = _("submitted") if len(path) <= STEPS_IN_WORDS else "…"
    return " → ".join([first, *(word(to_state) for _from, to_state in path[-STEPS_IN_WORDS:])])


def figure_of(path: Sequence[Step], current: str) -> go.Figure:
    """The graph."""
    steps = numbers_of(path)
    visited = {state for step in path for state in step if state is not None}
    legal: list[Step] = [(None, state) for state in TaskState if state in WAITING]
    legal += [(state, to_state) for state in TaskState for to_state in TRANSITIONS[state]]
    figure = go.Figure()
    # those that were taken lie above the others
    for step in sorted(legal, key=lambda step: step in steps):
        _add_transition(figure, step, steps.get(step, []))
    figure.add_scatter(
        x=[START[0]], y=[START[1]], mode="markers", marker={"size": 12, "color": color("gray")}, hoverinfo="skip"
    )
    for state in TaskState:
        figure.add_annotation(_box(state, state == current, state in visited))
    figure.update_layout(showlegend=False, dragmode=False)
    hidden = {"visible": False, "fixedrange": True}
    figure.update_xaxes(range=WIDTH, **hidden)
    figure.update_yaxes(range=DEPTH, scaleanchor="x", scaleratio=ROUND, **hidden)
    return figure


def numbers_of(path: Iterable[Step]) -> Mapping[Step, list[int]]:
    """By transition: its places in the path, from 1."""
    steps: dict[Step, list[int]] = {}
    for number, step in enumerate(path, 1):
        steps.setdefault(step, []).append(number)
    return steps


def curve_of(step: Step) -> list[Point]:
    """The points of a transition's curve between the boxes of its states."""
    start = START if step[0] is None else PLACES[step[0]]
    end = PLACES[step[1]]
    bend = BENDS.get(step, (0.0, 0.0))
    middle = ((start[0] + end[0]) / 2 + bend[0], (start[1] + end[1]) / 2 + bend[1])
    points = [_on_curve(start, middle, end, n / CURVE_POINTS) for n in range(CURVE_POINTS + 1)]
    outside = [point for point in points if not _is_in_box(point, end)]
    return outside if step[0] is None else [point for point in outside if not _is_in_box(point, start)]


def _box(state: TaskState, is_current: bool, is_visited: bool) -> dict[str, Any]:
    own, background = color(STATE_COLORS[state]), color("background")
    x, y = PLACES[state]
    font = background if is_current else color("text") if is_visited else color("gray")
    return {
        "x": x,
        "y": y,
        "text": word(state),
        "showarrow": False,
        "font": {"size": 12, "color": font},
        "bgcolor": own if is_current else background,
        "bordercolor": own if is_visited or is_current else color("border"),
        "borderwidth": 2 if is_visited or is_current else 1,
        "borderpad": 5,
    }


def _add_transition(figure: go.Figure, step: Step, numbers: Sequence[int]) -> None:
    """A curve from state to state with a head where it meets the box, and its places in the path."""
    outside = curve_of(step)
    paint = color("primary") if numbers else color("border")
    figure.add_scatter(
        x=[x for x, _y in outside],
        y=[y for _x, y in outside],
        mode="lines",
        line={"color": paint, "width": 2.5 if numbers else 1},
        hoverinfo="skip",
    )
    (x, y), (before_x, before_y) = outside[-1], outside[-4]
    figure.add_scatter(
        x=[x],
        y=[y],
        mode="markers",
        marker={
            "symbol": "triangle-up",
            "size": 10 if numbers else 7,
            "color": paint,
            "angle": math.degrees(math.atan2(x - before_x, (y - before_y) * ROUND)),
        },
        hoverinfo="skip",
    )
    if numbers:
        shown = ", ".join(map(str, numbers[:NUMBERS_SHOWN])) + (", …" if len(numbers) > NUMBERS_SHOWN else "")
        label_x, label_y = outside[len(outside) // 2]
        figure.add_annotation(
            x=label_x,
            y=label_y,
            text=shown,
            showarrow=False,
            font={"size": 11, "color": paint},
            bgcolor=color("background"),
            borderpad=1,
            yshift=9,
        )


def _on_curve(start: Point, middle: Point, end: Point, share: float) -> Point:
    """A point of the quadratic Bézier curve."""
    rest = 1 - share
    x, y = (
        rest * rest * a + 2 * rest * share * b + share * share * c for a, b, c in zip(start, middle, end, strict=True)
    )
    return x, y


def _is_in_box(point: Point, center: Point) -> bool:
    return abs(point[0] - center[0]) < BOX[0] and abs(point[1] - center[1]) < BOX[1]
