"""Writes panels over the same time as plotly's JSON: see `panels` (pure, but for the viewer's theme and language)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from urllib.parse import urlencode

from taskyard.core.telemetry.heat import ROWS_PER_DECADE, Heat
from taskyard.dashboard.components.charts import TIME_TICKS, Spec, number_or_none, plain
from taskyard.dashboard.components.log_axis import labelled_durations
from taskyard.dashboard.components.panels import CellLeads, HeatPanel, Leads, MarkedTime, Panel, TimeAxis, TimePanel
from taskyard.dashboard.components.theme import color, mixed
from taskyard.dashboard.components.times import axis_zone, duration, local_times
from taskyard.dashboard.components.zoom import revision, showing
from taskyard.dashboard.i18n import _

TITLE_PX, NAME_PX, AXIS_PX = 42, 22, 34  # a panel's head: its name, and its legend below that
SHORT_FROM = 1000  # values that ticks shorten; below 1 the same format would say 300m
FEW_POINTS = 40  # points are marked, because some may stand alone
PALE = 0.45  # opacity of a bar whose step is not over
MAX_MARK_TEXTS = 12


def panels_spec(axis: TimeAxis, panels: Sequence[Panel], key: str) -> Spec:
    """Returns the figure as plotly's JSON."""
    heights = [TITLE_PX + panel.height_px for panel in panels]
    total = sum(heights)
    data: list[Spec] = []
    layout: Spec = {
        "height": total + AXIS_PX,
        "margin": {"l": 8, "r": 8, "t": 0, "b": AXIS_PX},
        "uirevision": revision(key, axis.step_seconds * len(axis.at)),
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "barmode": "stack",
        "bargap": 0.15,
        "hovermode": "x unified",
        "dragmode": "zoom",
        "xaxis": _time_axis(axis, panels),
        "shapes": [],
        "annotations": [],
    }
    times = [
        time.isoformat() for time in local_times([*axis.at, *([axis.at[-1] + axis.step_seconds] if axis.at else [])])
    ]
    below = total
    for number, panel in enumerate(panels):
        top = below - TITLE_PX
        below = top - panel.height_px
        suffix = "" if number == 0 else str(number + 1)
        place = {"domain": [below / total, top / total], "anchor": "x"}
        grid = {"gridcolor": color("border"), "zeroline": False, "tickfont": {"size": 11}, "fixedrange": True}
        layout["annotations"].append(_title(panel, (top + TITLE_PX - NAME_PX / 2) / total))
        if panel.is_empty:
            layout[f"yaxis{suffix}"] = {**place, "visible": False, "range": [0, 1], "fixedrange": True}
            data.append({"type": "scatter", "x": times[:1], "y": [None], "yaxis": f"y{suffix}", "showlegend": False})
            continue
        if isinstance(panel, HeatPanel):
            layout[f"yaxis{suffix}"] = {**grid, **place, **_row_axis(panel.heat)}
            data.append(_heat_trace(panel, times, f"y{suffix}"))
            continue
        layout[f"yaxis{suffix}"] = {**grid, **place, **_value_axis(panel)}
        layout[f"legend{suffix}"] = _legend((top + TITLE_PX - NAME_PX) / total)
        data += _traces(panel, number, axis, times, f"y{suffix}", f"legend{suffix}")
    for mark in axis.marks:
        layout["shapes"].append(_mark_line(axis, mark))
    first_bottom = (total - heights[0]) / total if heights else 0
    for mark in axis.marks[-MAX_MARK_TEXTS:]:
        layout["annotations"].append(_mark_sign(axis, mark, first_bottom))
    return {"data": data, "layout": layout}


def _time_axis(axis: TimeAxis, panels: Sequence[Panel]) -> Spec:
    last = "" if len(panels) == 1 else str(len(panels))
    shown: Spec = {
        "anchor": f"y{last}",
        "gridcolor": color("border"),
        "tickfont": {"size": 11},
        "tickformatstops": TIME_TICKS,
        "hoverformat": "%Y-%m-%d %H:%M",
        "showspikes": True,
        "spikemode": "across",
        "spikesnap": "cursor",
        "spikethickness": 1,
        "spikedash": "solid",
        "spikecolor": color("gray"),
    }
    if axis.at:
        shown |= showing(_on(axis, axis.at[0]), _on(axis, axis.at[-1] + axis.step_seconds))
    if zone := axis_zone(axis.at):
        shown["title"] = {"text": plain(zone), "font": {"size": 12}}
    return shown


def _on(axis: TimeAxis, at: float) -> str:
    """Returns a time as it is on the axis: with the distance from UTC that the axis' end has."""
    return local_times([at, axis.at[-1] + axis.step_seconds])[0].isoformat()


def _traces(panel: TimePanel, number: int, axis: TimeAxis, times: list[str], yaxis: str, legend: str) -> list[Spec]:
    data: list[Spec] = []
    whole = axis.whole_steps
    for place, line in enumerate(panel.lines):
        values = [value or None for value in line.values] if panel.is_seconds else list(line.values)
        trace: Spec = {
            "x": times[: len(values)],
            "y": values,
            "name": plain(line.name),
            "legend": legend,
            "legendgroup": f"{number} {place}",
            "yaxis": yaxis,
            "customdata": [duration(value) if panel.is_seconds else number_or_none(value) for value in values],
            "hovertemplate": "%{customdata}" if panel.is_seconds else f"%{{customdata}} {plain(panel.unit)}",
        }
        leads = panel.leads[place] if place < len(panel.leads) else None
        if leads is not None:
            trace["meta"] = {**_lead(leads), "looks_back": leads.looks_back}
        if panel.is_stacked:
            opacity = [1.0 if step < whole else PALE for step in range(len(values))]
            step_ms = axis.step_seconds * 1000
            data.append(
                {
                    **trace,
                    "type": "bar",
                    "offset": 0,
                    "width": step_ms * 0.85,
                    "marker": {"color": color(line.color), "opacity": opacity},
                }
            )
            continue
        known = sum(value is not None for value in values)
        shown = {"type": "scatter", "mode": "lines+markers" if known <= FEW_POINTS else "lines", "marker": {"size": 4}}
        style = {"color": color(line.color), "width": 2}
        data.append({**trace, **shown, "line": style, **_part(trace, 0, whole)})
        if whole < len(values):
            dashed = {"line": {**style, "dash": "dot"}, "showlegend": False}
            data.append({**trace, **shown, **dashed, **_part(trace, max(0, whole - 1), len(values))})
    return data


def _part(trace: Spec, first: int, end: int) -> Spec:
    """Returns what a trace has of some steps."""
    part: Spec = {name: trace[name][first:end] for name in ("x", "y", "customdata")}
    return part | ({"meta": {**trace["meta"], "first": first}} if "meta" in trace else {})


def _heat_trace(panel: HeatPanel, times: list[str], yaxis: str) -> Spec:
    counts = panel.heat.counts
    sums = [sum(column) for column in zip(*counts, strict=True)]
    # texts for each cell would be most of what a refresh sends and takes
    shares = [[round(count / sums[step], 3) if count else None for step, count in enumerate(row)] for row in counts]
    background = color("background")
    leads = panel.leads
    meta = {} if leads is None else {"meta": {**_lead(leads), **_lead_of_rows(leads, panel.heat)}}
    return {
        **meta,
        "type": "heatmap",
        "x": times,
        "y": _rows(panel.heat),
        "z": shares,
        "zmin": 0,
        "zmax": 1,
        "hovertemplate": "%{y}: %{z:.1%}<extra></extra>",
        "yaxis": yaxis,
        "showscale": False,
        "colorscale": [[0, background], [0.05, mixed(background, color(panel.color), 0.25)], [1, color(panel.color)]],
    }


def _lead(leads: Leads | CellLeads) -> Spec:
    """Returns what dashboard/browser/charts.js makes an address of."""
    return {"query": urlencode(leads.query), "names": list(leads.names), "looks_back": False, "first": 0}


def _lead_of_rows(leads: CellLeads, heat: Heat) -> Spec:
    return {"names_of_row": list(leads.names_of_row), "bounds": [float(f"{bound:.6g}") for bound in heat.bounds()]}


def _rows(heat: Heat) -> list[str]:
    edges = [duration(edge) for edge in heat.edges()]
    return [f"{shorter} – {longer}" for shorter, longer in pairwise(edges)]


def _row_axis(heat: Heat) -> Spec:
    rows, edges = _rows(heat), heat.edges()
    decades = [row for row in range(len(rows)) if (heat.first + row) % ROWS_PER_DECADE == 0]
    shown = decades[:: max(1, math.ceil(len(decades) / 4))]
    return {
        "type": "category",
        "tickvals": [rows[row] for row in shown],
        "ticktext": [duration(edges[row], is_short=True) for row in shown],
        "showgrid": False,
    }


def _value_axis(panel: TimePanel) -> Spec:
    if not panel.is_seconds:
        most = max((value for line in panel.lines for value in line.values if value), default=0)
        shown: Spec = {"rangemode": "tozero", "nticks": 4, "tickformat": "~s" if most >= SHORT_FROM else ",~r"}
        if panel.most is not None:
            shown["range"] = [0, panel.most]
        return shown | ({"ticksuffix": "%"} if panel.unit == "%" else {})
    known = [value for line in panel.lines for value in line.values if value]
    least, most = min(known) * 0.8, max(known) * 1.25
    ticks = labelled_durations(least, most)
    return {
        "type": "log",
        "range": [math.log10(least), math.log10(most)],
        "tickvals": ticks,
        "ticktext": [duration(tick, is_short=True) for tick in ticks],
    }


def _title(panel: Panel, y: float) -> Spec:
    text = f"<b>{plain(panel.title)}</b>"
    if panel.is_empty:
        text += f"  <span style='color:{color('gray')}'>{plain(_('No activity in this period.'))}</span>"
    return {
        "text": text,
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": y,
        "xanchor": "left",
        "yanchor": "middle",
        "showarrow": False,
        "font": {"size": 13, "color": color("text")},
    }


def _legend(y: float) -> Spec:
    return {
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "y": y,
        "yanchor": "top",  # where it takes several lines, on a phone, they go down
        "font": {"size": 11},
        "itemwidth": 30,
        "bgcolor": "rgba(0,0,0,0)",
        "traceorder": "normal",
    }


def _mark_line(axis: TimeAxis, mark: MarkedTime) -> Spec:
    at = _on(axis, mark.at)
    style = {"color": color(mark.color), "width": 1, "dash": "dash"}
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "x0": at,
        "x1": at,
        "line": style,
    }


def _mark_sign(axis: TimeAxis, mark: MarkedTime, y: float) -> Spec:
    at = _on(axis, mark.at)
    return {
        "text": plain(mark.sign),
        "hovertext": plain(mark.text),
        "captureevents": True,
        "xref": "x",
        "yref": "paper",
        "x": at,
        "y": y,
        "yanchor": "bottom",
        "xanchor": "left",
        "showarrow": False,
        "font": {"size": 11, "color": color(mark.color)},
        "bgcolor": color("background"),
    }
