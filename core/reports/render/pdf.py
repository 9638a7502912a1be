"""Renders a report as PDF, set by Typst from `report.typ`: no browser, embedded fonts, vector charts.

Foreign texts reach Typst as data only, never as markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import typst

from taskyard.core.i18n import N_
from taskyard.core.reports.data.report import Report
from taskyard.core.reports.render.page import Drawing, Page, TextTable, page
from taskyard.core.reports.render.scales import tick_label, ticks, time_ticks
from taskyard.core.reports.render.wording import ValueKind, Wording

TEMPLATE = Path(__file__).with_name("report.typ")
FONT_PACKAGES = ("fontpkg_noto_sans", "manimgx_fonts_cjk")  # Latin, Greek, Cyrillic; Chinese, Japanese, Korean
LONGEST_WORD = 18  # characters before a word may be broken
BREAK, NO_BREAK = "\u200b", "\u00a0"  # a zero-width space, and one that keeps a number with its unit
GAP = 0.15  # of a column's width


def render(report: Report, words: Wording) -> bytes:
    """Returns the document, A4."""
    document = _document(page(report, words), report, words)
    made: bytes = typst.compile(
        TEMPLATE.read_bytes(),
        font_paths=_fonts(),
        sys_inputs={"document": orjson.dumps(document).decode()},
        timestamp=int(report.made_at.timestamp()),
    )
    return made


@lru_cache(1)
def _fonts() -> typst.Fonts:
    folders = [str(folder) for name in FONT_PACKAGES for folder in _folders(name)]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=folders)


def _folders(package: str) -> Sequence[str]:
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"{package} of requirements.txt is not installed", name=package)
    return list(spec.submodule_search_locations)


def _document(shown: Page, report: Report, words: Wording) -> dict[str, Any]:
    return {
        "language": words.language,
        "title": shown.title,
        "lines": [_breakable(line) for line in shown.lines],
        "empty": shown.empty,
        "cards": [
            {"label": card.label, "value": card.value, "change": card.change, "tone": card.tone} for card in shown.cards
        ],
        "before": words(N_("Changes are relative to the previous period.")),
        "sections": [
            {
                "title": section.title,
                "charts": [_chart(drawing, report, words) for drawing in section.drawings],
                "tables": [_table(table, titled=len(section.tables) > 1) for table in section.tables],
            }
            for section in shown.sections
        ],
        "about": words(N_("About this report")),
        "notes": [[heading, _breakable(text)] for heading, text in shown.notes],
        "page": words(N_("Page {page} of {pages}")).replace("{page}", "\x01").replace("{pages}", "\x02"),
        "header": _breakable(shown.lines[1]),
    }


def _table(table: TextTable, *, titled: bool) -> dict[str, Any]:
    return {
        "title": table.title if titled else "",
        "headings": [_breakable(heading) for heading in table.headings],
        "is_text": table.is_text,
        "weights": [_weight(table, column) for column in range(len(table.headings))],
        "rows": [
            [
                _breakable(cell) if is_text else cell.replace(" ", NO_BREAK)
                for cell, is_text in zip(row, table.is_text, strict=True)
            ]
            for row in table.rows
        ],
    }


def _weight(table: TextTable, column: int) -> float:
    """Returns a column's share of the width: by its longest cell, or the longest word of its heading."""
    longest = max([0, *(len(row[column]) for row in table.rows)])
    return float(min(30, max(6.5, longest + 1, *(len(word) + 2 for word in table.headings[column].split()))))


def _breakable(text: str) -> str:
    """Returns the text with places where long words may be broken."""
    return " ".join(
        BREAK.join(word[start : start + LONGEST_WORD] for start in range(0, len(word), LONGEST_WORD))
        for word in text.split(" ")
    )


def _chart(drawing: Drawing, report: Report, words: Wording) -> dict[str, Any]:
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
    low, scale = drawing.floor, ticks(max(heights, default=0), whole=drawing.value_kind is ValueKind.NUMBER and stacked)
    if drawing.value_kind is ValueKind.SHARE:
        scale = [low + (1 - low) * part for part in (0, 0.25, 0.5, 0.75, 1)]
    starts = [(x(at), length / report.now.seconds) for at, length in zip(drawing.labels, drawing.lengths, strict=True)]

    def y(value: float) -> float:
        return (value - low) / (scale[-1] - low)

    found: dict[str, Any] = {
        "y_ticks": [{"at": y(v), "label": tick_label(v, drawing.value_kind, words)} for v in scale],
        "x_ticks": [{"at": x(at), "label": label} for at, label in time_ticks(since, until, words.zone)],
        "lines": [],
        "rects": _stacked(drawing, starts, scale[-1]) if stacked else [],
    }
    if not stacked:
        middles = [left + width / 2 for left, width in starts]
        for line in drawing.lines:
            heights = [None if value is None else y(value) for value in line.values]
            found["lines"].append({"color": line.color, "parts": _parts(list(zip(middles, heights, strict=True)))})
    return found


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
        rows.append({"label": _breakable(label), "parts": parts, "value": value})
    return {"bars": rows}
