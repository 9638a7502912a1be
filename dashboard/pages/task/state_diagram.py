"""Draws the states of a task as a graph, with its path through them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import plotly.graph_objects as go

from taskyard.core.states import TERMINAL, TaskState, is_legal
from taskyard.dashboard.components.charts import draw
from taskyard.dashboard.components.states import STATE_COLORS, word
from taskyard.dashboard.components.theme import color
from taskyard.dashboard.i18n import _

NUMBERS_SHOWN = 4  # of one transition that was made several times
HEIGHT_PX = 250
STEPS_IN_WORDS = 30
WIDTH, DEPTH = (-0.15, 4.75), (-0.1, 3.55)
CURVE_POINTS = 100
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
    TaskState.SUSPENDED: (2.65, 1.2),
    TaskState.COMPLETED: (4.3, 3.0),
    TaskState.FAILED: (4.3, 2.0),
    TaskState.CANCELLED: (4.3, 0.9),
}
# How far a transition's middle is pulled off its straight line, so that none crosses a state or its reverse.
BENDS: Mapping[Step, Point] = {
    (TaskState.BLOCKED, TaskState.SCHEDULED): (-1.1, 0.0),
    (TaskState.BLOCKED, TaskState.CANCELLED): (0.0, -3.0),
    (TaskState.CANCELLED, TaskState.BLOCKED): (0.0, -3.2),
    (TaskState.SCHEDULED, TaskState.BLOCKED): (1.1, 0.0),
    (TaskState.PENDING, TaskState.BLOCKED): (0.35, 0.0),
    (TaskState.PENDING, TaskState.ASSIGNED): (0.0, 0.35),
    (TaskState.ASSIGNED, TaskState.PENDING): (0.0, -0.35),
    (TaskState.SCHEDULED, TaskState.ASSIGNED): (0.25, -0.45),
    (TaskState.ASSIGNED, TaskState.SCHEDULED): (-0.1, 0.25),
    (TaskState.PENDING, TaskState.CANCELLED): (-0.4, -1.2),
    (TaskState.IN_PROGRESS, TaskState.PENDING): (0.0, 1.3),
    (TaskState.IN_PROGRESS, TaskState.SCHEDULED): (-0.2, 0.0),
    (TaskState.ASSIGNED, TaskState.FAILED): (0.0, 1.0),
    (TaskState.FAILED, TaskState.PENDING): (0.1, 2.7),
    (TaskState.CANCELLED, TaskState.PENDING): (0.0, -2.2),
    (TaskState.SCHEDULED, TaskState.CANCELLED): (0.0, -0.3),
}
# Of tasks that belong to others, when somebody retries several of them; drawn only where this one took them.
RARE = frozenset((state, TaskState.BLOCKED) for state in {*TERMINAL, TaskState.PENDING, TaskState.SCHEDULED}) | {
    (TaskState.BLOCKED, TaskState.FAILED)
}


def show_diagram(path: Sequence[Step], current: str) -> None:
    """Shows all states and legal transitions; those of `path` stand out and bear their positions in it."""
    draw(_("State history"), figure_of(path, current), alt=in_words(path), key="states", height_px=HEIGHT_PX)


def in_words(path: Sequence[Step]) -> str:
    """Returns the path as a line of text."""
    first = _("submitted") if len(path) <= STEPS_IN_WORDS else "…"
    return " → ".join([first, *(word(to_state) for _from, to_state in path[-STEPS_IN_WORDS:])])


def figure_of(path: Sequence[Step], current: str) -> go.Figure:
    """Returns the graph."""
    steps = numbers_of(path)
    visited = {state for step in path for state in step if state is not None}
    starts = (None, *TaskState)
    legal: list[Step] = [(start, end) for start in starts for end in TaskState if is_legal(start, end)]
    figure = go.Figure()
    # transitions of the path lie above the others
    _add_transitions(figure, [step for step in legal if step not in RARE | steps.keys()], color("border"), 1, 7)
    _add_transitions(figure, [step for step in legal if step in steps], color("primary"), 2.5, 10)
    figure.add_scatter(
        x=[START[0]], y=[START[1]], mode="markers", marker={"size": 12, "color": color("gray")}, hoverinfo="skip"
    )
    boxes = [_box(state, state == current, state in visited) for state in TaskState]
    places = [_numbers(step, numbers) for step, numbers in steps.items() if step in legal]
    figure.update_layout(showlegend=False, dragmode=False, annotations=[*places, *boxes])
    hidden = {"visible": False, "fixedrange": True}
    figure.update_xaxes(range=WIDTH, **hidden)
    figure.update_yaxes(range=DEPTH, scaleanchor="x", scaleratio=ROUND, **hidden)
    return figure


def numbers_of(path: Iterable[Step]) -> Mapping[Step, list[int]]:
    """Returns by transition its positions in the path, from 1."""
    steps: dict[Step, list[int]] = {}
    for number, step in enumerate(path, 1):
        steps.setdefault(step, []).append(number)
    return steps


@cache
def curve_of(step: Step) -> tuple[Point, ...]:
    """Returns the points of a transition's curve between the boxes of its states."""
    start = START if step[0] is None else PLACES[step[0]]
    end = PLACES[step[1]]
    bend = BENDS.get(step, (0.0, 0.0))
    middle = ((start[0] + end[0]) / 2 + bend[0], (start[1] + end[1]) / 2 + bend[1])
    points = [_on_curve(start, middle, end, n / CURVE_POINTS) for n in range(CURVE_POINTS + 1)]
    ends = (end,) if step[0] is None else (start, end)
    return tuple(point for point in points if not any(_is_in_box(point, box) for box in ends))


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


def _add_transitions(figure: go.Figure, steps: Sequence[Step], paint: str, width_px: float, head_px: float) -> None:
    """Adds the curves of transitions, with arrow heads at the boxes: as two traces, since each one takes time."""
    if not steps:
        return
    xs: list[float | None] = []
    ys: list[float | None] = []
    heads: list[tuple[float, float, float]] = []
    for step in steps:
        points = curve_of(step)
        xs += [x for x, _y in points] + [None]
        ys += [y for _x, y in points] + [None]
        (x, y), (before_x, before_y) = points[-1], points[-4]
        heads.append((x, y, math.degrees(math.atan2(x - before_x, (y - before_y) * ROUND))))
    figure.add_scatter(x=xs, y=ys, mode="lines", line={"color": paint, "width": width_px}, hoverinfo="skip")
    figure.add_scatter(
        x=[x for x, _y, _angle in heads],
        y=[y for _x, y, _angle in heads],
        mode="markers",
        marker={
            "symbol": "triangle-up",
            "size": head_px,
            "color": paint,
            "angle": [angle for _x, _y, angle in heads],
        },
        hoverinfo="skip",
    )


def _numbers(step: Step, numbers: Sequence[int]) -> dict[str, Any]:
    """Returns a transition's positions in the path, as a label beside its curve."""
    points = curve_of(step)
    x, y = points[len(points) // 2]
    return {
        "x": x,
        "y": y,
        "yshift": 12,
        "text": ", ".join(map(str, numbers[:NUMBERS_SHOWN])) + (", …" if len(numbers) > NUMBERS_SHOWN else ""),
        "showarrow": False,
        "font": {"size": 11, "color": color("primary")},
        "bgcolor": color("background"),
        "borderpad": 1,
    }


def _on_curve(start: Point, middle: Point, end: Point, share: float) -> Point:
    """Returns a point of the quadratic Bézier curve."""
    rest = 1 - share
    x, y = (
        rest * rest * a + 2 * rest * share * b + share * share * c for a, b, c in zip(start, middle, end, strict=True)
    )
    return x, y


def _is_in_box(point: Point, center: Point) -> bool:
    return abs(point[0] - center[0]) < BOX[0] and abs(point[1] - center[1]) < BOX[1]
