"""Charts over one time axis are what plotly accepts, and say what is not over, what is empty, where clicks lead."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pytest

from taskyard.core.filters.search_filter import PARAMS, TaskFilter
from taskyard.core.postgres.store.history import Point
from taskyard.core.telemetry.heat import Heat, heat_of
from taskyard.core.telemetry.histogram import Histogram
from taskyard.core.views.foremost import Foremost
from taskyard.core.views.overview import Charts
from taskyard.core.views.overview_marks import Mark, MarkKind, marks_of
from taskyard.dashboard.components.charts import Line
from taskyard.dashboard.components.panel_spec import AXIS_PX, TITLE_PX, panels_spec
from taskyard.dashboard.components.panels import (
    EMPTY_PX,
    HEAT_PX,
    PLOT_PX,
    CellLeads,
    HeatPanel,
    Leads,
    MarkedTime,
    TimeAxis,
    TimePanel,
)
from taskyard.dashboard.pages.overview.charts import panels_of

AT = [1_750_000_000.0 + 60 * n for n in range(4)]
AXIS = TimeAxis(AT, 60, 3, [MarkedTime(AT[1], "▲ <9>", "deployed")])
RATES = TimePanel(
    "Through<put>",
    [Line("in", "gray", [1, 2, 3, 1]), Line("out", "green", [0, 2, 3, 1])],
    unit="per min",
    leads=[Leads({})],
)
WAITS = TimePanel(
    "Waits", [Line("p50", "blue", [0.01, None, 0.0, 4.0]), Line("oldest", "red", [0, 0, 3000, 2])], is_seconds=True
)
BARS = TimePanel(
    "Failures",
    [Line("a", "red", [1, 0, 2, 1])],
    is_stacked=True,
    leads=[Leads({"error_class": "timeout", "sort": "x"})],
)
NOTHING = TimePanel("Depth", [Line("a", "red", [0.0, None, 0.0, 0.0])])
HEAT = HeatPanel("Runs", heat_of([Histogram.of([0.1, 0.1, 5.0]), Histogram(), Histogram.of([0.11]), Histogram()]))


def traces(spec: dict[str, Any], yaxis: str) -> list[dict[str, Any]]:
    return [trace for trace in spec["data"] if trace["yaxis"] == yaxis]


@pytest.mark.parametrize("axis", [AXIS, TimeAxis([], 60, 0), TimeAxis(AT[:1], 60, 0)])
def test_plotly_accepts_panels(axis: TimeAxis) -> None:
    count = len(axis.at)
    cut = [
        TimePanel(p.title, [Line(o.name, o.color, o.values[:count]) for o in p.lines], p.unit) for p in (RATES, BARS)
    ]
    panels = [RATES, WAITS, BARS, NOTHING, HEAT] if count == 4 else cut

    figure = go.Figure(panels_spec(axis, panels, "key"))

    assert figure.layout.uirevision.startswith("key ")
    assert "Through&lt;put&gt;" in figure.layout.annotations[0].text


def test_the_step_that_is_not_over_is_dashed_or_pale() -> None:
    spec = panels_spec(AXIS, [RATES, BARS], "key")

    whole, part = [trace for trace in traces(spec, "y") if trace["name"] == "in"]
    assert (whole["y"], whole["line"].get("dash")) == ([1, 2, 3], None)
    assert (part["y"], part["line"]["dash"], part["showlegend"]) == ([3, 1], "dot", False)
    assert (whole["meta"]["first"], part["meta"]["first"]) == (0, 2)  # the steps, wherever the trace begins
    [bars] = traces(spec, "y2")
    assert bars["marker"]["opacity"][:3] == [1, 1, 1]
    assert bars["marker"]["opacity"][3] < 1


def test_durations_have_a_logarithmic_axis_with_words() -> None:
    spec = panels_spec(AXIS, [WAITS], "key")

    assert spec["layout"]["yaxis"]["type"] == "log"
    assert set(spec["layout"]["yaxis"]["ticktext"]) <= {"10 ms", "0.10 s", "1.00 s", "10 s", "1 min", "10 min", "1 h"}
    assert traces(spec, "y")[0]["y"] == [0.01, None, None]  # such an axis has no 0


def test_one_axis_of_time_goes_through_all_and_has_a_crosshair_and_marks() -> None:
    spec = panels_spec(AXIS, [RATES, WAITS, BARS], "key")

    assert spec["layout"]["xaxis"]["spikemode"] == "across"
    assert [name for name in spec["layout"] if name.startswith("xaxis")] == ["xaxis"]
    [line] = spec["layout"]["shapes"]
    assert (line["yref"], line["y0"], line["y1"]) == ("paper", 0, 1)
    sign = spec["layout"]["annotations"][-1]
    assert (sign["text"], sign["hovertext"]) == ("▲ &lt;9&gt;", "deployed")


def test_what_is_empty_is_small_and_says_so() -> None:
    assert panels_spec(AXIS, [RATES, NOTHING], "key")["layout"]["height"] == 2 * TITLE_PX + PLOT_PX + EMPTY_PX + AXIS_PX
    assert "No activity in this period." in panels_spec(AXIS, [NOTHING], "key")["layout"]["annotations"][0]["text"]
    assert HeatPanel("Runs", heat_of([Histogram()])).height_px == EMPTY_PX
    assert "No activity" in HeatPanel("Runs", Heat(0, ())).words()


def test_a_line_leads_to_its_tasks() -> None:
    [bars] = traces(panels_spec(AXIS, [BARS], "key"), "y")
    assert bars["meta"] == {
        "query": "error_class=timeout&sort=x", "names": ["since", "until"], "looks_back": True, "first": 0,
    }  # fmt: skip
    assert "meta" not in traces(panels_spec(AXIS, [WAITS], "key"), "y")[0]


def test_a_refresh_asks_for_the_same_range_and_another_range_for_another_one() -> None:
    def layout(first: int, step: int, count: int) -> dict[str, Any]:
        axis = TimeAxis([AT[0] + step * (first + n) for n in range(count)], step, count)
        return dict(panels_spec(axis, [RATES], "key")["layout"])

    now, later = layout(0, 60, 15), layout(1, 60, 15)
    assert "range" not in now["xaxis"]  # plotly takes another one for the page's own wish, and forgets the zoom
    assert now["xaxis"]["autorangeoptions"] != later["xaxis"]["autorangeoptions"]
    assert now["uirevision"] == later["uirevision"] == layout(0, 60, 16)["uirevision"]
    ranges = [(60, 15), (60, 60), (300, 72), (600, 144), (21_600, 28), (21_600, 120), (86_400, 90)]
    assert len({layout(0, step, count)["uirevision"] for step, count in ranges}) == len(ranges)


def test_a_cell_leads_to_the_tasks_that_are_counted_in_it() -> None:
    durations = [0.0, 1e-7, 0.0953, 0.1, 0.11, 0.9999, 1.001, 5.0, 4000.0]
    heat = heat_of([Histogram.of(durations)])
    bounds = heat.bounds()
    for row, [count] in enumerate(heat.counts):
        assert sum(bounds[row] <= seconds < bounds[row + 1] for seconds in durations) == count, row
    panel = HeatPanel("Runs", heat, leads=CellLeads({}, ("ended_since", "ended_until"), ("min_x", "max_x")))
    [trace] = traces(panels_spec(AXIS, [panel], "key"), "y")
    assert trace["meta"]["names"] == ["ended_since", "ended_until"]
    assert trace["meta"]["names_of_row"] == ["min_x", "max_x"]
    assert trace["meta"]["bounds"] == pytest.approx(bounds, rel=1e-5)


def test_a_heat_map_counts_durations_by_step_and_size() -> None:
    heat = HEAT.heat
    edges = heat.edges()
    assert heat.count == 4
    assert edges == sorted(edges)
    assert edges[0] <= 0.1 * 1.06
    assert edges[-1] >= 5 / 1.06
    assert [sum(column) for column in zip(*heat.counts, strict=True)] == [3, 0, 1, 0]
    assert edges[1] / edges[0] == pytest.approx(10**0.25)
    [trace] = traces(panels_spec(AXIS, [HEAT], "key"), "y")
    assert trace["z"][0][0] == pytest.approx(2 / 3, abs=0.001)
    assert trace["z"][0][1] is None  # nothing, which is not a share of 0
    assert len(trace["x"]) == len(AT) + 1
    assert HEAT.height_px == HEAT_PX
    assert HEAT.words().startswith("Runs. 4 between ")


def test_a_new_term_or_release_is_a_mark_and_the_first_leader_is_none() -> None:
    samples = [
        (0.0, "1.0", 7, 7),
        (60.0, "1.0", 7, 8),
        (120.0, "1.0", 8, 8),
        (180.0, "1.0", 8, 8),
        (180.0, "1.1", 9, 9),
    ]
    assert marks_of(samples) == [Mark(60.0, MarkKind.LEADER, 8, "1.0"), Mark(180.0, MarkKind.RELEASE, 9, "1.1")]
    assert marks_of([(0.0, "1.0", 7, 7), (600.0, "1.0", 9, 9)]) == [Mark(600.0, MarkKind.LEADER, 9, "1.0")]
    assert marks_of([(0.0, "1.0", 3, 5)]) == [Mark(0.0, MarkKind.LEADER, 5, "1.0")]
    assert marks_of([]) == []


def test_every_point_of_the_overview_leads_to_a_search_that_the_tasks_page_knows() -> None:
    steps = [1.0] * len(AT)
    charts = Charts(
        at=AT, step_seconds=60, arrived=steps, completed=steps, failed=steps, retried=steps, wait_p50=steps,
        wait_p99=steps, run_p50=steps, run_p99=steps, oldest=steps, failures={"timeout": steps},
        load=Foremost({"builder": steps}, [(1.5, 3)] * len(AT)),
        depth=Foremost({"default": steps}, [(7.0, 2)] * len(AT)),
        total=Point(0.0), wait_heat=Heat(0, ()), run_heat=Heat(0, ()),
        whole_steps=3, marks=(),
    )  # fmt: skip
    every = panels_of(charts, is_whole=True)
    cells = [panel.leads for panel in every if isinstance(panel, HeatPanel)]
    assert len(cells) == 2
    for one in cells:
        assert one is not None
        assert {*one.query, *one.names, *one.names_of_row} <= {*PARAMS, "sort"}
    panels = [panel for panel in every if isinstance(panel, TimePanel)]
    assert len(panels) == 6
    depth, load = panels[-2:]
    assert [(line.name, line.values[0]) for line in depth.lines] == [("default", 1.0), ("2 other queues", 7.0)]
    assert [(line.name, line.values[0]) for line in load.lines] == [("builder", 100), ("mean of 3 other agents", 50.0)]
    for panel in panels:
        assert len(panel.leads) == len(panel.lines), panel.title
        for leads in panel.leads:
            assert {*leads.query, *leads.names} <= {*PARAMS, "sort"}
            TaskFilter.from_params({name: value for name, value in leads.query.items() if name != "sort"})
