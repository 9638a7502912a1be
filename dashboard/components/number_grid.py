"""Writes a heat map of named rows and columns as plotly's JSON: a number in each cell, coloured by how good it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from taskyard.dashboard.components.charts import Spec, plain
from taskyard.dashboard.components.theme import color, mixed

ROW_PX, REST_PX = 26, 48
CHARACTER_PX = 7  # of a name that stands upright
TINT = 0.55  # of the colours at the ends of a scale: texts on them can be read
NO_NUMBER = "gray"


@dataclass(frozen=True, slots=True)
class GridCell:
    """A cell: the value that colours it (None: not enough is known, it is grey), its text, and what it tells."""

    value: float | None
    text: str
    told: str


@dataclass(frozen=True, slots=True)
class GridScale:
    """The values at which cells have the colours `low`, `middle` and `high`, by their names in the theme."""

    least: float
    wanted: float
    most: float
    low: str = "orange"
    middle: str = "green"
    high: str = "blue"


@dataclass(frozen=True, slots=True)
class GridNames:
    """Names of rows (from the top down) and columns, and how many columns can be named side by side.

    Names of columns that are upright are read from the bottom up: they take height instead of width.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    named_columns: int
    are_columns_upright: bool = False


def grid_spec(names: GridNames, cells: Sequence[Sequence[GridCell | None]], scale: GridScale) -> Spec:
    """Returns the figure: cells by row, then by column; None leaves one empty. Texts are foreign, or translated."""
    background = color("background")
    known = [[cell.value if cell else None for cell in row] for row in cells]
    unknown = [[0 if cell and cell.value is None else None for cell in row] for row in cells]
    middle = (scale.wanted - scale.least) / (scale.most - scale.least)
    colors: list[list[float | str]] = [
        [0.0, mixed(background, color(scale.low), TINT)],
        [middle, mixed(background, color(scale.middle), TINT / 2)],
        [1.0, mixed(background, color(scale.high), TINT)],
    ]
    grey = mixed(background, color(NO_NUMBER), TINT / 3)
    ends = {"zmin": scale.least, "zmax": scale.most}
    greys: list[list[float | str]] = [[0.0, grey], [1.0, grey]]
    data = [_trace(known, cells, colors, ends), _trace(unknown, cells, greys, {"zmin": 0, "zmax": 1})]
    return {"data": data, "layout": _layout(names)}


def grid_height_px(rows: int, upright_columns: Sequence[str] = ()) -> int:
    """Returns the height of a figure of so many rows, with room for the names of columns if they are upright."""
    return REST_PX + ROW_PX * rows + CHARACTER_PX * max(map(len, upright_columns), default=0)


def _trace(
    values: Sequence[Sequence[float | None]],
    cells: Sequence[Sequence[GridCell | None]],
    colors: Sequence[Sequence[float | str]],
    ends: Spec,
) -> Spec:
    def of(name: str) -> list[list[str]]:
        return [
            [plain(getattr(cell, name)) if cell and value is not None else "" for cell, value in zip(*row, strict=True)]
            for row in zip(cells, values, strict=True)
        ]

    return {
        "type": "heatmap",
        "z": values,
        "text": of("text"),
        "texttemplate": "%{text}",
        "textfont": {"size": 11, "color": color("text")},
        "customdata": of("told"),
        "hovertemplate": "%{customdata}<extra></extra>",
        "hoverongaps": False,
        "xgap": 2,
        "ygap": 2,
        "showscale": False,
        "colorscale": colors,
        **ends,
    }


def _layout(names: GridNames) -> Spec:
    shown = range(0, len(names.columns), max(1, math.ceil(len(names.columns) / max(1, names.named_columns))))
    fixed = {"fixedrange": True, "showgrid": False, "zeroline": False, "tickmode": "array"}
    return {
        "hovermode": "closest",
        "showlegend": False,
        "minreducedheight": ROW_PX,  # else names below a single row would be cut off
        "xaxis": {
            **fixed,
            "tickvals": list(shown),
            "ticktext": [plain(names.columns[at]) for at in shown],
            "tickangle": -90 if names.are_columns_upright else 0,
            "range": [-0.5, len(names.columns) - 0.5],
        },
        "yaxis": {
            **fixed,
            "tickvals": list(range(len(names.rows))),
            "ticktext": [plain(name) for name in names.rows],
            "range": [len(names.rows) - 0.5, -0.5],
        },
    }
