"""Renders a report as one HTML file: charts as vector drawings, no network access, no executable foreign content.

The page's policy forbids everything but its own script, by its hash, and its own styles. The script only shows the
values at the pointer; without it the page has the same charts and tables.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from taskyard.core.i18n import N_
from taskyard.core.reports.data.report import Report
from taskyard.core.reports.render.page import Drawing, page
from taskyard.core.reports.render.plot import Plot, plot
from taskyard.core.reports.render.wording import Wording

FOLDER = Path(__file__).parent
WIDTH, HEIGHT = 1000, 400  # units of a drawing, which is stretched to its place
DOT = 0.002  # half the length of the stroke for a single value, as a share of the width


def render(report: Report, words: Wording) -> bytes:
    """Returns the page."""
    shown = page(report, words)
    drawings = [drawing for section in shown.sections for drawing in section.drawings]
    script = (FOLDER / "report.js").read_text(encoding="utf-8")
    text = (
        _environment()
        .get_template("report.html.j2")
        .render(
            language=words.language,
            page=shown,
            made=f"{words.moment(report.made_at)} {words.zone_name(report.made_at)}",
            words=words,
            texts={name: words(text) for name, text in _TEXTS.items()},
            policy=_policy(script),
            style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
            script=Markup(script),
            plots={drawing.name: _svg(plot(drawing, report, words)) for drawing in drawings},
            values=Markup(_inert({one.name: _values(one, words) for one in drawings if one.kind != "bars"})),
        )
    )
    return text.encode()


_TEXTS = {
    "before": N_("Changes are relative to the previous period."),
    "made": N_("Generated {at}"),
    "about": N_("About this report"),
    "steps": N_("All steps as a table"),
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


def _policy(script: str) -> str:
    """Returns the page's Content-Security-Policy. Its drawings have inline styles, which can load nothing."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline';"
        " base-uri 'none'; form-action 'none'"
    )


def _inert(document: Any) -> str:
    """Returns JSON that is safe inside a script element whatever its texts contain."""
    return orjson.dumps(document).decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _svg(plotted: Plot) -> Plot:
    """Adds the paths of a chart over time, in units of its drawing: one for each colour."""
    if "bars" in plotted:
        return plotted
    rects: dict[str, list[str]] = {}
    for it in plotted["rects"]:
        x, y, w, h = (_unit(it["x"], WIDTH), _unit(1 - it["y"] - it["h"], HEIGHT), it["w"] * WIDTH, it["h"] * HEIGHT)
        rects.setdefault(it["color"], []).append(f"M{x} {y}h{w:.2f}v{h:.2f}h-{w:.2f}z")
    lines = [(line["color"], "".join(map(_stroke, line["parts"]))) for line in plotted["lines"]]
    return {
        **plotted,
        "fills": [(color, "".join(parts)) for color, parts in rects.items()],
        "strokes": lines,
        "size": f"0 0 {WIDTH} {HEIGHT}",
    }


def _stroke(points: list[tuple[float, float]]) -> str:
    """Returns a line through points; a single one becomes a short dash."""
    if len(points) == 1:
        (x, y), *_ = points
        points = [(x - DOT, y), (x + DOT, y)]
    return "M" + "L".join(f"{_unit(x, WIDTH)} {_unit(1 - y, HEIGHT)}" for x, y in points)


def _unit(share: float, whole: int) -> str:
    return f"{share * whole:.1f}"


def _values(drawing: Drawing, words: Wording) -> dict[str, Any]:
    """Returns what the pointer shows: the time of each step, and the value of each line in it."""
    whole = sum(drawing.lengths) or 1.0
    ends, reached = [], 0.0
    for length in drawing.lengths:
        reached += length
        ends.append(round(reached / whole, 5))
    return {
        "ends": ends,
        "times": [words.moment(at) for at in drawing.labels],
        "lines": [
            {
                "name": line.name,
                "color": line.color,
                "values": [words.shown(value, drawing.value_kind) for value in line.values],
            }
            for line in drawing.lines
        ],
    }
