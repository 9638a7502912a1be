"""Durations and times as people read them, also where clocks change."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode
from taskyard.core.states import TaskState
from taskyard.core.telemetry.timeline import Span
from taskyard.core.views.timeline import Timeline
from taskyard.dashboard.components import filter_words, tables, times, zones
from taskyard.dashboard.components.times import age, axis_zone, duration, local_times, time_column
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.components.zones import shown_time
from taskyard.dashboard.data import base
from taskyard.dashboard.pages.agents import gantt
from taskyard.dashboard.pages.agents.rows import axis_times, rows_layout
from taskyard.dashboard.pages.tasks.state_tabs import picked


@pytest.mark.parametrize(
    ("seconds", "text", "short"),
    [
        (None, "–", "–"),
        (0.0004, "0.4 ms", "0.4 ms"),
        (0.034, "34 ms", "34 ms"),
        (0.5, "0.50 s", "0.50 s"),
        (59.4, "59 s", "59 s"),
        (60, "1 min", "1 min"),
        (200.9, "3 min 20 s", "3 min"),
        (7200, "2 h", "2 h"),
        (90_061, "1 d 1 h", "1 d"),
    ],
)
def test_durations(seconds: float | None, text: str, short: str) -> None:
    assert duration(seconds) == text
    assert duration(seconds, is_short=True) == short


def test_ages_are_in_whole_seconds() -> None:
    assert [age(seconds) for seconds in (0.2, 59.9, 61)] == ["0 s", "59 s", "1 min 1 s"]


BERLIN = ZoneInfo("Europe/Berlin")
BACK = datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp()  # when clocks go from 3 back to 2 o'clock
FORTH = datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("change", [BACK, FORTH])
def test_hours_of_a_change_of_clocks_are_apart_on_an_axis(monkeypatch: pytest.MonkeyPatch, change: float) -> None:
    monkeypatch.setattr(times, "viewer_zone", lambda: BERLIN)
    at = [change + 1800 * half for half in range(-6, 7)]
    shown = local_times(at)
    assert {later - earlier for earlier, later in pairwise(shown)} == {timedelta(minutes=30)}
    assert axis_zone(at) == ("UTC+01:00" if change == BACK else "UTC+02:00")
    assert shown[-1] == datetime.fromtimestamp(at[-1], BERLIN).replace(tzinfo=None)
    assert axis_zone(at[7:]) == ""


def test_bars_of_agents_stand_on_their_axis_over_a_change_of_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt before the change, on an axis that ends after it."""
    monkeypatch.setattr(times, "viewer_zone", lambda: BERLIN)
    timeline = Timeline(BACK - 7200, BACK + 7200, BACK - 7200, [], 0, is_cut=False)
    start = BACK - 3600
    [left, right] = map(datetime.fromisoformat, rows_layout(timeline, ["a"])["xaxis"]["autorangeoptions"]["include"])
    bars = gantt._bars([Span("a", 0, "t", 1, "x.y", start, BACK - 1800, "completed")], "completed", timeline)
    for left_end in (bars["base"][0], axis_times([start], timeline)[0].isoformat()):
        assert datetime.fromisoformat(left_end) - left == timedelta(seconds=3600)
    assert right - left == timedelta(seconds=14_400)


def test_hours_of_a_change_of_clocks_are_apart_in_texts_and_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (times, zones):
        monkeypatch.setattr(module, "viewer_zone", lambda: BERLIN)
    first, second = (shown_time(datetime.fromtimestamp(BACK + seconds, UTC)) for seconds in (-1800, 1800))
    assert (first, second) == ("2026-10-25 02:30:00 CEST", "2026-10-25 02:30:00 CET")
    for now, is_near in ((BACK + 86_400, True), (BACK + 60 * 86_400, False)):
        monkeypatch.setattr(base, "now", lambda now=now: datetime.fromtimestamp(now, UTC))
        shape = time_column("At")["type_config"]["format"]
        assert shape.endswith(" Z") == is_near
    for day, is_near in ((0, True), (-30, False)):  # of what a table shows, whatever today is
        frame = pd.DataFrame({"At": [None, datetime.fromtimestamp(BACK + day * 86_400, UTC)]})
        shape = tables._with_zone(frame, "At", time_column("At"))["type_config"]["format"]
        assert shape.endswith(" Z") == is_near


def test_times_in_texts_of_core_are_the_viewers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "viewer_zone", lambda: BERLIN)
    at = datetime(2026, 1, 2, 23, 30, tzinfo=UTC)
    hold = Hold(HoldKind.QUEUE, "nightly", HoldMode.PAUSED, "ann", "", at)
    assert str(hold) == "queue nightly is paused by ann since 2026-01-02 23:30:00 UTC"
    assert translate(hold.text) == "queue nightly is paused by ann since 2026-01-03 00:30:00 CET"
    assert translate(pickle.loads(pickle.dumps(hold.text))) == translate(hold.text)


def test_a_filters_times_are_the_viewers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "viewer_zone", lambda: BERLIN)
    shown = filter_words.in_words("since", "2026-01-02T23:30:00+00:00").replace("\\", "")
    assert shown.endswith("2026-01-03 00:30:00 CET")
    assert filter_words.in_words("until", "tomorrow").endswith("tomorrow")
    assert filter_words.in_words("ended_since", "1h").endswith("Last hour")


def test_a_tab_leads_to_the_time_that_the_viewer_set() -> None:
    recent = picked("failed_1h", TaskFilter(queues=("a",)))
    assert (recent.states, recent.ended_since, recent.queues) == ((TaskState.FAILED,), "1h", ("a",))
    assert picked("waiting", recent).ended_since is None, "the tab's time ends with the tab"
    assert picked("all", TaskFilter(ended_since="24h")).ended_since == "24h"
