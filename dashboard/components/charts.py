"""Charts: plotly figures in the theme's colours, each with its text for those who don't see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
import streamlit as st

from dashboard.components.theme import color
from dashboard.components.times import duration, local_times
from dashboard.i18n import _

HEIGHT_PX = 240
CONFIG = {"displaylogo": False, "displayModeBar": False, "scrollZoom": False}


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
    """Lines, or stacked areas, over time (epoch seconds). `is_seconds` labels values as durations."""
    figure = go.Figure()
    times = local_times(list(at))
    for line in lines:
        figure.add_scatter(
            x=times,
            y=list(line.values),
            name=plain(line.name),
            mode="lines" if len(times) > 1 else "markers",
            stackgroup="all" if is_stacked else None,
            line={"color": color(line.color), "width": 0.5 if is_stacked else 2},
            hovertemplate="%{customdata}" if is_seconds else f"%{{y:,.4~g}} {plain(unit)}",
            customdata=[duration(value) for value in line.values] if is_seconds else None,
        )
    figure.update_yaxes(rangemode="tozero", title=None, ticksuffix=" s" if is_seconds else "")
    draw(title, figure, alt=_in_words(title, lines, is_seconds, unit), key=key, height_px=height_px)


def bar_chart(
    title: str,
    labels: Sequence[str],
    lines: Sequence[Line],
    *,
    key: str,
    unit: str = "",
    height_px: int = HEIGHT_PX,
) -> None:
    """Horizontal stacked bars, one for each label."""
    figure = go.Figure()
    for line in lines:
        figure.add_bar(
            y=[plain(label) for label in labels],
            x=list(line.values),
            name=plain(line.name),
            orientation="h",
            marker={"color": color(line.color)},
            hovertemplate=f"%{{x:,}} {plain(unit)}",
        )
    figure.update_layout(barmode="stack")
    figure.update_yaxes(autorange="reversed")
    draw(title, figure, alt=_in_words(title, lines, False, unit), key=key, height_px=height_px)


def draw(title: str, figure: go.Figure, *, alt: str, key: str, height_px: int = HEIGHT_PX) -> None:
    """A figure under its title; `alt` says in words what it shows."""
    figure.update_layout(
        height=height_px,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        hovermode="x unified" if figure.data and figure.data[0].type == "scatter" else "closest",
        # below the axis' two lines, whatever the height
        legend={"orientation": "h", "y": -40 / max(60, height_px - 80), "yanchor": "top", "x": 0, "font": {"size": 12}},
        uirevision=key,  # zoom and hidden series survive a refresh
        modebar={"remove": ["lasso", "select"]},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    grid = color("border")
    figure.update_xaxes(gridcolor=grid, zerolinecolor=grid)
    figure.update_yaxes(gridcolor=grid, zerolinecolor=grid)
    with st.container(border=True, gap="small"):
        st.markdown(f"**{title}**")
        st.plotly_chart(figure, key=key, config=CONFIG, alt=alt)


def plain(text: str) -> str:
    """A text that plotly shows as it is: it would take <…> for markup and %{…} for a template."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "% {")


def _in_words(title: str, lines: Sequence[Line], is_seconds: bool, unit: str) -> str:
    """What a chart shows: the latest and the largest value of each series."""
    shown: Callable[[float], str] = duration if is_seconds else (lambda value: f"{value:,.4g} {unit}".strip())
    parts = []
    for line in lines:
        known = [value for value in line.values if value is not None]
        if known:
            parts.append(
                _("{name}: last {last}, most {most}").format(
                    name=line.name, last=shown(known[-1]), most=shown(max(known))
                )
            )
    return f"{title}. " + ("; ".join(parts) if parts else _("Nothing happened in this time."))
