"""Renders a report as one HTML file: interactive charts, no network access, no executable foreign content.

The page's policy forbids everything but its own two scripts, by their hashes, and its own styles.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from taskyard.core.i18n import N_
from taskyard.core.reports.data.report import Report
from taskyard.core.reports.render.page import Drawing, page
from taskyard.core.reports.render.wording import ValueKind, Wording

FOLDER = Path(__file__).parent
HEIGHT_PX = 260
BAR_PX = 26


def render(report: Report, words: Wording) -> bytes:
    """Returns the page."""
    shown = page(report, words)
    drawings = [drawing for section in shown.sections for drawing in section.drawings]
    scripts = (get_plotlyjs(), (FOLDER / "report.js").read_text(encoding="utf-8"))
    text = (
        _environment()
        .get_template("report.html.j2")
        .render(
            language=words.language,
            page=shown,
            made=f"{words.moment(report.made_at)} {words.zone_name(report.made_at)}",
            words=words,
            texts={name: words(text) for name, text in _TEXTS.items()},
            policy=_policy(scripts),
            style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
            plotly=Markup(scripts[0]),
            script=Markup(scripts[1]),
            figures=Markup(_inert({drawing.name: _figure(drawing, words) for drawing in drawings})),
            heights={drawing.name: _height(drawing) for drawing in drawings},
        )
    )
    return text.encode()


_TEXTS = {
    "before": N_("Changes are relative to the previous period."),
    "made": N_("Generated {at}"),
    "about": N_("About this report"),
    "steps": N_("All steps as a table"),
    "no_script": N_("Charts need JavaScript; the tables do not."),
}


@lru_cache(1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _policy(scripts: Sequence[str]) -> str:
    """Returns the page's Content-Security-Policy. Plotly writes inline styles, which can load nothing."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def _inert(document: Any) -> str:
    """Returns JSON that is safe inside a script element whatever its texts contain."""
    return orjson.dumps(document).decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _height(drawing: Drawing) -> int:
    return HEIGHT_PX if drawing.kind != "bars" else 90 + BAR_PX * len(drawing.labels)


def _figure(drawing: Drawing, words: Wording) -> dict[str, Any]:
    """Returns a plotly figure without text and grid colours, which the page sets by its theme."""
    is_bars = drawing.kind == "bars"
    axis = {"rangemode": "tozero", "automargin": True, **_NUMBERS.get(drawing.value_kind, {})}
    if drawing.floor:
        axis |= {"range": [drawing.floor, 1.002], "rangemode": "normal"}
    layout: dict[str, Any] = {
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "legend": {"orientation": "h", "y": -0.18, "x": 0, "traceorder": "normal"},
        "showlegend": len(drawing.lines) > 1,
        "barmode": "stack",
        "bargap": 0.15,
        "hovermode": "closest" if is_bars else "x unified",
    }
    if is_bars:
        layout |= {"xaxis": axis, "yaxis": {"autorange": "reversed", "automargin": True, "type": "category"}}
    else:
        layout |= {"yaxis": axis, "xaxis": {"type": "date", "automargin": True}}
    return {"data": [_trace(drawing, number, words) for number in range(len(drawing.lines))], "layout": layout}


_NUMBERS = {ValueKind.SHARE: {"tickformat": ".4~%"}, ValueKind.SECONDS: {"ticksuffix": " s"}}


def _trace(drawing: Drawing, number: int, words: Wording) -> dict[str, Any]:
    line = drawing.lines[number]
    shown = [words.shown(value, drawing.value_kind) for value in line.values]
    trace = {"name": _plain(line.name), "customdata": shown, "hovertemplate": "%{customdata}"}
    values = list(line.values)
    if drawing.kind == "bars":
        # plotly puts bars with the same name on top of each other: invisible marks keep them apart
        labels = [_plain(label) + "\u200b" * position for position, label in enumerate(drawing.labels)]
        bar = {"type": "bar", "orientation": "h", "x": values, "y": labels, "marker": {"color": line.color}}
        return {**trace, **bar}
    # plotly knows no time zones: it gets local times of the report's zone
    times = [f"{at.astimezone(words.zone):%Y-%m-%dT%H:%M:%S}" for at in drawing.labels]
    if drawing.kind == "stacks":
        middles = {"width": [length * 1000 * 0.85 for length in drawing.lengths], "offset": 0}
        return {**trace, "type": "bar", "x": times, "y": values, "marker": {"color": line.color}, **middles}
    mode = "lines" if sum(value is not None for value in values) > 1 else "markers"
    return {
        **trace,
        "type": "scatter",
        "mode": mode,
        "x": times,
        "y": values,
        "line": {"color": line.color, "width": 2},
    }


def _plain(text: str) -> str:
    """Escapes a text for plotly, which would read <…> as markup, $…$ as TeX and %{…} as a template."""
    return (
        text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;").replace("%{", "% {")
    )
