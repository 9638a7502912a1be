"""Draws charts: plotly figures in the theme's colours, each with an alternative text.

They are written as plotly's JSON and not by its objects, which check every property each time: redrawn every few
seconds for every viewer, that took most of a refresh (15 ms a chart instead of 2). A test checks them once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import plotly.graph_objects as go
import streamlit as st
from streamlit import runtime

from taskyard.core.humanize import UNKNOWN, duration_ticks, number
from taskyard.dashboard.components.theme import color
from taskyard.dashboard.components.times import axis_zone, duration, local_times, span
from taskyard.dashboard.components.zoom import revision, showing
from taskyard.dashboard.i18n import _, enumerated
from taskyard.dashboard.timing import wait

HEIGHT_PX = 240
CONFIG = {"displaylogo": False, "displayModeBar": False, "scrollZoom": False}
FEW_POINTS = 40  # points are marked, because some may stand alone
# The time a browser needs to show what precedes the first chart; measured, see `make bench ARGS=dashboard`.
FIRST_CHART_DELAY_SECONDS = 0.6

# Times on an axis in figures: plotly's own have the names of months in English.
TIME_TICKS = [
    {"dtickrange": [None, 1_000], "value": "%H:%M:%S.%L"},
    {"dtickrange": [1_000, 60_000], "value": "%H:%M:%S\n%m-%d"},
    {"dtickrange": [60_000, 86_400_000], "value": "%H:%M\n%m-%d"},
    {"dtickrange": [86_400_000, "M12"], "value": "%m-%d\n%Y"},
    {"dtickrange": ["M12", None], "value": "%Y"},
]

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a chart: its name (already translated, or hostile), its colour's name in the theme, its values."""

    name: str
    color: str
    values: Sequence[float | None]


def time_chart(
    title: str,
    at: Sequence[float],
    lines: Sequence[Line],
    *,
    key: str,
    is_stacked: bool = False,
    is_seconds: bool = False,
    unit: str = "",
    height_px: int = HEIGHT_PX,
) -> None:
    """Draws lines, or stacked areas, over time (epoch seconds). `is_seconds` labels values as durations."""
    spec = time_spec(at, lines, is_stacked=is_stacked, is_seconds=is_seconds, unit=unit)
    _draw_spec(title, spec, alt=in_words(title, lines, is_seconds, unit), key=key, height_px=height_px)


def bar_chart(
    title: str,
    labels: Sequence[str],
    lines: Sequence[Line],
    *,
    key: str,
    unit: str = "",
    has_legend: bool = True,
    height_px: int = HEIGHT_PX,
) -> None:
    """Draws horizontal stacked bars, one for each label."""
    spec = bar_spec(labels, lines, unit=unit)
    spec["layout"]["showlegend"] = has_legend
    _draw_spec(title, spec, alt=in_words(title, lines, False, unit), key=key, height_px=height_px)


def draw(
    title: str,
    figure: go.Figure,
    *,
    alt: str,
    key: str,
    height_px: int = HEIGHT_PX,
    config: Mapping[str, Any] | None = None,
    help_: str | None = None,
) -> None:
    """Draws any figure under its title; `alt` describes it in words, `help_` says how to read it, and `config` is
    plotly's where it differs.
    """
    _draw_spec(title, figure.to_dict(), alt=alt, key=key, height_px=height_px, config=config or {}, help_=help_)


def time_spec(
    at: Sequence[float], lines: Sequence[Line], *, is_stacked: bool = False, is_seconds: bool = False, unit: str = ""
) -> Spec:
    """Returns the content of `time_chart` as plotly's JSON."""
    times = [time.isoformat() for time in local_times(list(at))]
    data = []
    for line in lines:
        known = sum(value is not None for value in line.values)
        trace: Spec = {
            "type": "scatter",
            "x": times,
            "y": list(line.values),
            "name": plain(line.name),
            "mode": "lines+markers" if known <= FEW_POINTS and not is_stacked else "lines",
            "marker": {"size": 4},
            "line": {"color": color(line.color), "width": 0.5 if is_stacked else 2},
            "customdata": [duration(value) if is_seconds else number_or_none(value) for value in line.values],
            "hovertemplate": "%{customdata}" if is_seconds else f"%{{customdata}} {plain(unit)}",
        }
        if is_stacked:
            trace["stackgroup"] = "all"
        data.append(trace)
    xaxis: Spec = {"hoverformat": "%Y-%m-%d %H:%M:%S", "tickformatstops": TIME_TICKS}
    if len(times) > 1:
        xaxis |= showing(times[0], times[-1])
    if zone := axis_zone(at):
        xaxis["title"] = {"text": plain(zone), "font": {"size": 12}}
    yaxis = {
        "rangemode": "tozero",
        "tickformat": ",~r",
        **_named(unit),
        **(_duration_axis(lines) if is_seconds else {}),
    }
    layout = {"xaxis": xaxis, "yaxis": yaxis, "hovermode": "x unified"}
    return {"data": data, "layout": layout | ({"uirevision": revision("", at[-1] - at[0])} if at else {})}


def number_or_none(value: float | None) -> str:
    """Returns a number as it is shown everywhere; UNKNOWN for None."""
    return UNKNOWN if value is None else number(value)


def _duration_axis(lines: Sequence[Line]) -> Spec:
    """Returns an axis whose ticks are round durations, each in the unit that fits."""
    ticks = duration_ticks(max((value or 0.0 for line in lines for value in line.values), default=0.0))
    return {
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [span(tick) if tick else "0" for tick in ticks],
        **showing(0, ticks[-1]),
    }


def bar_spec(labels: Sequence[str], lines: Sequence[Line], *, unit: str = "") -> Spec:
    """Returns the content of `bar_chart` as plotly's JSON."""
    names = [plain(label) for label in labels]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "y": names,
            "x": list(line.values),
            "name": plain(line.name),
            "marker": {"color": color(line.color)},
            "customdata": [number_or_none(value) for value in line.values],
            "hovertemplate": f"%{{customdata}} {plain(unit)}",
        }
        for line in lines
    ]
    columns = zip(*(line.values for line in lines), strict=True)
    most = max((sum(value or 0 for value in column) for column in columns), default=0)
    xaxis = {**showing(0, max(1, most * 1.05)), "tickformat": ",~r", **_named(unit)}
    layout = {"barmode": "stack", "yaxis": {"autorange": "reversed", "type": "category"}, "xaxis": xaxis}
    return {"data": data, "layout": layout}


def _named(unit: str) -> Spec:
    """Returns an axis' title with the unit of its values, which ticks alone do not say."""
    return {"title": {"text": plain(unit), "font": {"size": 12}}} if unit else {}


def let_the_page_appear() -> None:
    """Waits before a viewer's first chart: while plotly loads, the browser shows nothing for a second."""
    if not st.session_state.get("charts_loaded") and runtime.exists():
        wait(FIRST_CHART_DELAY_SECONDS)
    st.session_state["charts_loaded"] = True


def _draw_spec(
    title: str,
    spec: Spec,
    *,
    alt: str,
    key: str,
    height_px: int,
    config: Mapping[str, Any] = MappingProxyType({}),
    help_: str | None = None,
) -> None:
    let_the_page_appear()
    layout = spec["layout"]
    grid = {"gridcolor": color("border"), "zerolinecolor": color("border")}
    layout.setdefault("hovermode", "x unified" if spec["data"] and spec["data"][0]["type"] == "scatter" else "closest")
    layout |= {
        "height": height_px,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        # below the axis' two lines, whatever the height
        "legend": {
            "orientation": "h",
            "y": -40 / max(60, height_px - 80),
            "yanchor": "top",
            "x": 0,
            "font": {"size": 12},
            "traceorder": "normal",
        },
        "uirevision": f"{key}{layout.get('uirevision', '')}",  # zoom and hidden series survive a refresh
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {**grid, **layout.get("xaxis", {})},
        "yaxis": {**grid, **layout.get("yaxis", {})},
    }
    with st.container(border=True, gap="small"):
        st.markdown(f"**{title}**", help=help_)
        st.plotly_chart(go.Figure(spec, _validate=False), key=key, config={**CONFIG, **config}, alt=alt)


def plain(text: str) -> str:
    """Escapes a text for plotly, which would read <…> as markup and %{…} as a template."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "% {")


def in_words(title: str, lines: Sequence[Line], is_seconds: bool = False, unit: str = "") -> str:
    """Describes a chart: the latest and the largest value of each series."""
    shown: Callable[[float], str] = duration if is_seconds else (lambda value: f"{number(value)} {unit}".strip())
    parts = []
    for line in lines:
        known = [value for value in line.values if value is not None]
        if known:
            parts.append(
                _("{name}: last {last}, most {most}").format(
                    name=line.name, last=shown(known[-1]), most=shown(max(known))
                )
            )
    text = enumerated(parts) if parts else _("No activity in this period.")
    return _("{title}. {text}").format(title=title, text=text)
