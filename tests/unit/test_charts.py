"""Charts are what plotly accepts, and say in words what they show."""

from __future__ import annotations

import plotly.graph_objects as go
import pytest

from taskyard.dashboard.components.charts import Line, bar_spec, in_words, plain, time_spec

AT = [1_750_000_000.0 + 60 * n for n in range(3)]
LINES = [Line("p50 <b>&</b> %{x}", "blue", [0.1, None, 0.3]), Line("p99", "red", [1.0, 2.0, 0.5])]


@pytest.mark.parametrize("is_stacked", [False, True])
@pytest.mark.parametrize("is_seconds", [False, True])
@pytest.mark.parametrize("at", [[], AT[:1], AT])
def test_plotly_accepts_time_charts(at: list[float], is_stacked: bool, is_seconds: bool) -> None:
    lines = [Line(line.name, line.color, line.values[: len(at)]) for line in LINES]

    figure = go.Figure(time_spec(at, lines, is_stacked=is_stacked, is_seconds=is_seconds))

    assert [trace.name for trace in figure.data] == ["p50 &lt;b&gt;&amp;&lt;/b&gt; % {x}", "p99"]
    assert all(len(trace.x) == len(trace.y) == len(at) for trace in figure.data)


@pytest.mark.parametrize("labels", [[], ["a", "<i>"]])
def test_plotly_accepts_bar_charts(labels: list[str]) -> None:
    lines = [Line(name, "blue", [3.0] * len(labels)) for name in ("running", "free")]

    figure = go.Figure(bar_spec(labels, lines, unit="slots"))

    assert list(figure.data[0].y) == [plain(label) for label in labels]
    assert figure.layout.xaxis.autorangeoptions.clipmax >= 6 * bool(labels)


def test_a_chart_says_what_it_shows() -> None:
    assert in_words("Waiting", LINES[1:], is_seconds=True) == "Waiting. p99: last 0.50 s, most 2.00 s"
    assert in_words("Throughput", [Line("ended", "blue", [2, 1200.5])], unit="per min") == (
        "Throughput. ended: last 1,200 per min, most 1,200 per min"
    )
    assert in_words("Load", [Line("a", "blue", [None])]) == "Load. No activity in this period."
