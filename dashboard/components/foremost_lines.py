"""Draws a figure of many names: a line for each of the foremost, and a grey one for all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from taskyard.core.views.foremost import Foremost
from taskyard.dashboard.components.charts import Line

COLORS = ("blue", "green", "orange", "violet", "red", "yellow", "gray")


def mean_of_others(sum_: float, count: int) -> float:
    """Returns the mean of the names without a line of their own."""
    return sum_ / count


def sum_of_others(sum_: float, _count: int) -> float:
    """Returns the sum of the names without a line of their own."""
    return sum_


def lines_of(by_name: Mapping[str, Sequence[float | None]], scale: float = 1.0) -> list[Line]:
    """Returns a line for each name; values are multiplied by `scale`."""
    return [
        Line(name, COLORS[n % len(COLORS)], [None if value is None else value * scale for value in values])
        for n, (name, values) in enumerate(by_name.items())
    ]


def foremost_lines(
    found: Foremost,
    others_name: Callable[[int], str],
    others_value: Callable[[float, int], float],
    scale: float = 1.0,
) -> list[Line]:
    """Returns the lines, the others' one last if there are any; values are multiplied by `scale`."""
    lines = lines_of(found.by_name, scale)
    if count := found.most_others:
        rest = [None if other is None else others_value(*other) * scale for other in found.others]
        lines.append(Line(others_name(count), "gray", rest))
    return lines
