"""What the page Learning says of results: sums, verdicts, the map of days, and charts that plotly accepts."""

from __future__ import annotations

import math
from datetime import date, timedelta

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.learning.results import MIN_RESULTS, Held
from taskyard.core.views.learning import (
    MAX_TASKS,
    MIN_TASKS,
    DayHeld,
    LastEnded,
    Verdict,
    by_type,
    by_type_of_tasks,
    coverage_map,
    of_types,
    place_shares,
    total_of,
    verdict_of,
)
from taskyard.dashboard.components.number_grid import GridCell, GridNames, GridScale, grid_height_px, grid_spec
from taskyard.dashboard.components.theme import color, mixed
from taskyard.dashboard.pages.learning.days_map import SCALE
from taskyard.dashboard.pages.learning.head import factor_in_words
from taskyard.dashboard.pages.learning.places import places_spec
from taskyard.dashboard.pages.learning.scatter import LEAST_SECONDS, OWN_COLORS, scatter_spec
from taskyard.dashboard.pages.learning.types_table import bias_in_words, coverage_in_words
from tests.made_results import held

DAY = date(2026, 11, 27)
TASK_ID = "0199c0de-0000-7000-8000-000000000000"

results = st.builds(
    lambda tasks, below, above, bias: held(tasks + below + above, below, above, bias=bias),
    st.integers(1, 500),
    st.integers(0, 50),
    st.integers(0, 50),
    st.floats(0.1, 10),
)
some_days = st.lists(
    st.builds(DayHeld, st.sampled_from("abcdef"), st.integers(0, 30).map(lambda n: DAY + timedelta(days=n)), results),
    max_size=30,
    unique_by=lambda one: (one.type, one.day),
)
seconds = st.floats(1e-5, 1e6)
some_tasks = st.lists(
    st.builds(
        lambda type_, predicted, ran: LastEnded(TASK_ID, type_, predicted, predicted / 2, predicted * 2, ran),
        st.sampled_from("abcdefghij"),
        seconds,
        st.one_of(seconds, st.just(0.0)),
    ),
    max_size=20,
)


@pytest.mark.parametrize(
    ("coverage", "tasks", "verdict"),
    [
        (None, 5_000, Verdict.TOO_FEW),
        (0.8, MIN_RESULTS - 1, Verdict.TOO_FEW),
        (0.8, MIN_RESULTS, Verdict.FINE),
        (0.741, 1_000, Verdict.FINE),
        (0.739, 1_000, Verdict.TOO_NARROW),
        (0.859, 1_000, Verdict.FINE),
        (0.861, 1_000, Verdict.TOO_WIDE),
        (0.0, 1_000, Verdict.TOO_NARROW),
    ],
)
def test_verdicts(coverage: float | None, tasks: int, verdict: Verdict) -> None:
    assert verdict_of(coverage, tasks) is verdict


@given(some_days)
def test_sums_lose_and_change_nothing(days: list[DayHeld]) -> None:
    before = [(one.held.tasks, list(one.held.places)) for one in days]
    types = by_type(days)
    total = total_of(types)

    assert [(one.held.tasks, list(one.held.places)) for one in days] == before  # readings are shared
    assert total.tasks == sum(one.held.tasks for one in days)
    assert total.below + total.above == sum(one.held.below + one.held.above for one in days)
    assert sum(total.places) == sum(sum(one.held.places) for one in days)
    assert [one.held.tasks for one in types] == sorted((one.held.tasks for one in types), reverse=True)
    assert {one.type for one in types} == {one.type for one in days}


@given(some_days, st.integers(1, 6))
def test_the_map_has_every_day_and_the_types_with_most_tasks(days: list[DayHeld], most: int) -> None:
    found = coverage_map(days, most)
    types = by_type(days)

    assert list(found.types) == [one.type for one in types[:most]]
    assert len(found.types) + found.left_out == len(types)
    assert [len(row) for row in found.cells] == [len(found.days)] * len(found.types)
    assert all(later - earlier == timedelta(days=1) for earlier, later in zip(found.days, found.days[1:], strict=False))
    cells = {
        (type_, day): cell.tasks
        for type_, row in zip(found.types, found.cells, strict=True)
        for day, cell in zip(found.days, row, strict=True)
        if cell is not None
    }
    assert cells == {(one.type, one.day): one.held.tasks for one in days if one.type in found.types}


def test_types_are_chosen() -> None:
    days = [DayHeld("a", DAY, held(1, 0, 0)), DayHeld("b", DAY, held(2, 0, 0))]
    assert of_types(days, ()) == days
    assert of_types(days, ("b", "c")) == days[1:]


@given(some_tasks)
def test_single_tasks_count_as_the_leader_counts_them(tasks: list[LastEnded]) -> None:
    total = total_of(by_type_of_tasks(tasks))
    assert total.tasks == len(tasks)
    assert total.below == sum(task.run_seconds < task.predicted_low for task in tasks)
    assert total.above == sum(task.run_seconds > task.predicted_high for task in tasks)


@given(st.lists(st.integers(0, 1_000), min_size=10, max_size=10))
def test_places_are_shares_of_all(places: list[int]) -> None:
    shares = place_shares(places)
    assert len(shares) == 10
    assert sum(shares) == pytest.approx(1 if any(places) else 0)
    assert go.Figure(places_spec(places)).data[1].y == (0.1, 0.1)


@given(some_tasks)
def test_plotly_accepts_the_points(tasks: list[LastEnded]) -> None:
    spec = scatter_spec(tasks)
    figure = go.Figure(spec)
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert sum(len(trace.x) for trace in points) == len(tasks)
    assert len(points) <= len(OWN_COLORS) + 1
    assert all(point[1:3] == ["task", TASK_ID] for trace in spec["data"][1:] for point in trace["customdata"])
    least, most = (10**end for end in spec["layout"]["xaxis"]["range"])
    assert all(least <= value <= most for trace in points for value in (*trace.x, *trace.y))
    assert spec["layout"]["xaxis"] == spec["layout"]["yaxis"]  # or the diagonal would not be one
    assert least >= LEAST_SECONDS / 10


def test_many_points_make_a_small_figure() -> None:
    tasks = [LastEnded(TASK_ID, f"t{n % 9}", 2.0, 1.0, 4.0, 1 + n / 1_000) for n in range(MAX_TASKS)]
    assert len(go.Figure(scatter_spec(tasks), _validate=False).to_json()) < 400_000


def test_names_of_types_are_no_markup() -> None:
    spec = scatter_spec([LastEnded(TASK_ID, "<b>x</b>%{y}", 2.0, 1.0, 4.0, 1.0)])
    assert "<b>" not in str(spec["data"][1]["name"])
    assert "%{y}" not in str(spec["data"][1]["name"])
    cell = GridCell(0.5, "<b>", "<i>%{z}")
    grid = grid_spec(GridNames(["<u>"], ["<s>"], 1), [[cell]], SCALE)
    assert not {"<b>", "<i>", "<u>", "<s>"} & set(str(grid).replace("<extra>", "").split("'"))


def test_a_grid_colours_what_is_known_and_greys_the_rest() -> None:
    scale = GridScale(0.5, 0.8, 1.0)
    cells = [[GridCell(0.8, "80", "told"), GridCell(None, "few", "too few"), None]]
    spec = grid_spec(GridNames(["a"], ["1", "2", "3"], 2), cells, scale)
    figure = go.Figure(spec)

    known, unknown = spec["data"]
    assert (known["z"], unknown["z"]) == ([[0.8, None, None]], [[None, 0, None]])
    assert (known["text"], unknown["text"]) == ([["80", "", ""]], [["", "few", ""]])
    assert known["colorscale"][1][0] == pytest.approx(0.6)
    assert figure.layout.xaxis.ticktext == ("1", "3")


def test_names_of_columns_have_room_below_a_single_row() -> None:
    """By plotly's own minimum the row would take 64 px, and the names be cut off."""
    spec = grid_spec(GridNames(["a"], ["1"], 1), [[GridCell(0.8, "80", "told")]], GridScale(0.5, 0.8, 1.0))
    assert grid_height_px(1) - spec["layout"]["minreducedheight"] >= 40


def test_a_mixed_colour_is_between_two() -> None:
    assert mixed("#000000", "#ff8000", 0.5) == "#804000"
    assert mixed(color("text"), color("blue"), 1.0) == color("blue")


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1.0, "takes as long as predicted"),
        (1.004, "takes as long as predicted"),
        (1.12, "takes 12% longer than predicted"),
        (0.9, "takes 10% less than predicted"),
        (0.0001, "takes 99.99% less than predicted"),
        (3.0, "takes 3× as long as predicted"),
    ],
)
def test_bias_in_words(factor: float, words: str) -> None:
    assert bias_in_words(factor) == words


@pytest.mark.parametrize(("factor", "words"), [(None, "–"), (1.0, "1×"), (1.42, "1.42×"), (63_347.0, "> 1,000×")])
def test_factors_in_words(factor: float | None, words: str) -> None:
    assert factor_in_words(factor) == words


def test_few_tasks_have_no_coverage() -> None:
    assert coverage_in_words(held(MIN_TASKS, 2, 2)) == "80%"
    assert coverage_in_words(held(MIN_TASKS - 1, 0, 0)) == "too few"


def test_factors_are_of_logarithms() -> None:
    one = Held()
    one.add(4.0, 1.0, 2.0, 3.0)
    one.add(1.0, 1.0, 2.0, 3.0)
    [type_] = by_type([DayHeld("a", DAY, one)])
    assert type_.held.error_factor == pytest.approx(2.0)
    assert type_.held.bias_factor == pytest.approx(1.0)
    assert math.isclose(type_.held.coverage or 0, 0.5)
