"""Renders a report as PDF, set by Typst from `report.typ`: no browser, embedded fonts, vector charts.

Foreign texts reach Typst as data only, never as markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import typst

from taskyard.core.i18n import N_
from taskyard.core.reports.data.report import Report
from taskyard.core.reports.render.page import Page, TextTable, page
from taskyard.core.reports.render.plot import Plot, plot
from taskyard.core.reports.render.wording import Wording

TEMPLATE = Path(__file__).with_name("report.typ")
FONT_PACKAGES = ("fontpkg_noto_sans", "manimgx_fonts_cjk")  # Latin, Greek, Cyrillic; Chinese, Japanese, Korean
LONGEST_WORD = 18  # characters before a word may be broken
BREAK, NO_BREAK = "\u200b", "\u00a0"  # a zero-width space, and one that keeps a number with its unit


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
        "summary": [_breakable(sentence) for sentence in shown.summary],
        "cards": [
            {"label": card.label, "value": card.value, "change": card.change, "tone": card.tone} for card in shown.cards
        ],
        "before": words(N_("Changes are relative to the previous period.")),
        "sections": [
            {
                "title": section.title,
                "charts": [_chart(plot(drawing, report, words)) for drawing in section.drawings],
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


def _chart(plotted: Plot) -> dict[str, Any]:
    """Returns a chart whose labels may be broken."""
    bars = [{**bar, "label": _breakable(bar["label"])} for bar in plotted.get("bars", [])]
    return {**plotted, "bars": bars} if bars else {**plotted}
