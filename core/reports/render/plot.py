"""Lays out a drawing, the same on paper and on a page: places of its marks, ticks and labels (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from taskyard.core.humanize import duration_ticks
from taskyard.core.reports.data.report import Report
from taskyard.core.reports.render.page import Drawing
from taskyard.core.reports.render.scales import tick_label, ticks, time_ticks
from taskyard.core.reports.render.wording import ValueKind, Wording

GAP = 0.15  # of a column's width
Plot = dict[str, Any]


def plot(drawing: Drawing, report: Report, words: Wording) -> Plot:
    """Returns a chart in fractions of its plot's width and height, from the lower left."""
    found = _bars(drawing, words) if drawing.kind == "bars" else _over_time(drawing, report, words)
    legend = [{"name": line.name, "color": line.color} for line in drawing.lines]
    return {"title": drawing.title, "kind": drawing.kind, "legend": legend if len(legend) > 1 else [], **found}


def _over_time(drawing: Drawing, report: Report, words: Wording) -> dict[str, Any]:
    since, until = report.now.since, report.now.until

    def x(at: datetime) -> float:
        return (at - since).total_seconds() / report.now.seconds

    stacked = drawing.kind == "stacks"
    columns = list(zip(*(line.values for line in drawing.lines), strict=True))
    heights = [sum(value or 0 for value in column) if stacked else max(v or 0 for v in column) for column in columns]
    low, scale = drawing.floor, _scale(drawing, max(heights, default=0))
    starts = [(x(at), length / report.now.seconds) for at, length in zip(drawing.labels, drawing.lengths, strict=True)]

    def y(value: float) -> float:
        return (value - low) / (scale[-1] - low)

    found: dict[str, Any] = {
        "y_ticks": [{"at": y(v), "label": tick_label(v, drawing.value_kind, words)} for v in scale],
        "x_ticks": [{"at": x(at), "label": label} for at, label in time_ticks(since, until, words.zone)],
        "first": starts[0][0] if starts else 0.0,  # where the values begin
        "lines": [],
        "rects": _stacked(drawing, starts, scale[-1]) if stacked else [],
    }
    if not stacked:
        middles = [left + width / 2 for left, width in starts]
        for line in drawing.lines:
            heights = [None if value is None else y(value) for value in line.values]
            found["lines"].append({"color": line.color, "parts": _parts(list(zip(middles, heights, strict=True)))})
    return found


def _scale(drawing: Drawing, most: float) -> list[float]:
    if drawing.value_kind is ValueKind.SHARE:
        return [drawing.floor + (1 - drawing.floor) * part for part in (0, 0.25, 0.5, 0.75, 1)]
    if drawing.value_kind is ValueKind.SECONDS:
        return duration_ticks(most)
    return ticks(most, whole=drawing.kind == "stacks")


def _stacked(drawing: Drawing, starts: Sequence[tuple[float, float]], most: float) -> list[dict[str, Any]]:
    found = []
    base = [0.0] * len(starts)
    for line in drawing.lines:
        for number, ((left, width), value) in enumerate(zip(starts, line.values, strict=True)):
            if value:
                height = value / most
                place = {"x": left + width * GAP / 2, "y": base[number], "w": width * (1 - GAP), "h": height}
                found.append({"color": line.color, **place})
                base[number] += height
    return found


def _parts(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Returns the pieces of a line between its gaps."""
    parts: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            parts.append([])
        else:
            parts[-1].append((x, min(1.0, y)))
    return [part for part in parts if part]


def _bars(drawing: Drawing, words: Wording) -> dict[str, Any]:
    totals = [
        sum(value or 0 for value in column) for column in zip(*(line.values for line in drawing.lines), strict=True)
    ]
    most = max(totals, default=0) or 1
    rows = []
    for number, (label, total) in enumerate(zip(drawing.labels, totals, strict=True)):
        parts = [{"color": line.color, "w": (line.values[number] or 0) / most} for line in drawing.lines]
        known = any(line.values[number] is not None for line in drawing.lines)
        value = words.shown(total if known else None, drawing.value_kind)
        rows.append({"label": label, "parts": parts, "value": value})
    return {"bars": rows}
