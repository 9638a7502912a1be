"""The map of agents by types: who is in it, what its cells say, and that plotly accepts it."""

from __future__ import annotations

import math

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.learning.factors import MIN_RUNS, AgentFactors
from taskyard.core.views.agent_differences import MAX_AGENTS, MAX_TYPES, AgentAtType, AgentMap, agent_map
from taskyard.dashboard.components.number_grid import GridNames, grid_height_px, grid_spec
from taskyard.dashboard.pages.learning.agents_map import SCALE, cell_of, difference_in_words

names = st.sampled_from(("a1", "a2", "a3", "a4"))
ends = st.lists(st.tuples(names, st.sampled_from(("t1", "t2", "t3")), st.floats(0.01, 1e4), st.booleans()), max_size=60)


def learned(factors: AgentFactors, agent: str, type_: str, seconds: float, times: int) -> None:
    for _ in range(times):
        factors.note_success(agent, type_, seconds, 10.0)


def two_agents(quick: float = 10.0, slow: float = 30.0) -> AgentFactors:
    """Each has run a hundred tasks, both by turns."""
    factors = AgentFactors()
    for _ in range(100):
        learned(factors, "quick", "render", quick, 1)
        learned(factors, "slow", "render", slow, 1)
    return factors


@given(ends)
def test_the_map_has_what_each_agent_ran_and_no_other(given_ends: list[tuple[str, str, float, bool]]) -> None:
    factors = AgentFactors()
    for agent, type_, seconds, succeeded in given_ends:
        if succeeded:
            factors.note_success(agent, type_, seconds, 10.0)
        else:
            factors.note_failure(agent, type_)
    found = agent_map(factors, ("a1", "a2", "gone"), ("t1", "t2"))
    ran = {(agent, type_) for agent, type_, _, _ in given_ends if agent in ("a1", "a2") and type_ in ("t1", "t2")}
    shown = {
        (agent, type_): cell
        for type_, row in zip(found.types, found.cells, strict=True)
        for agent, cell in zip(found.agents, row, strict=True)
        if cell is not None
    }
    assert set(shown) == ran
    assert (found.left_out_agents, found.left_out_types) == (0, 0)
    for (agent, type_), cell in shown.items():
        of_both = [end for end in given_ends if end[:2] == (agent, type_)]
        assert cell.attempts == len(of_both)
        assert cell.success == pytest.approx(sum(succeeded for *_, succeeded in of_both) / len(of_both))
        assert (cell.slowness is None) == (cell.runs < MIN_RUNS)


def test_those_with_most_runs_are_shown() -> None:
    factors = AgentFactors()
    agents, types = [f"a{n}" for n in range(MAX_AGENTS + 2)], [f"t{n}" for n in range(MAX_TYPES + 3)]
    for place, agent in enumerate(agents):
        learned(factors, agent, types[0], 10.0, 1 + place)
    for place, type_ in enumerate(types):
        learned(factors, agents[-1], type_, 10.0, 1 + place)
    found = agent_map(factors, agents, types)
    assert (len(found.agents), len(found.types)) == (MAX_AGENTS, MAX_TYPES)
    assert (found.left_out_agents, found.left_out_types) == (2, 3)
    assert found.agents[0] == agents[-1]
    assert not {"a0", "a1"} & set(found.agents)
    assert found.types[0] == types[0]
    assert not {"t1", "t2", "t3"} & set(found.types)


def test_a_slow_agent_is_seen_to_be_and_equal_ones_are_not() -> None:
    found = agent_map(two_agents(), ("quick", "slow"), ("render",))
    assert found.speeds_differ
    by_agent = dict(zip(found.agents, found.cells[0], strict=True))
    slowness = [cell.slowness or 0.0 for cell in (by_agent["quick"], by_agent["slow"]) if cell is not None]
    assert 0 < slowness[0] < 0.9 < 1.1 < slowness[1]
    assert "Agents differ in speed by more" in difference_in_words(found)

    alike = agent_map(two_agents(10.0, 10.0), ("quick", "slow"), ("render",))
    assert not alike.speeds_differ
    assert "no more than chance explains" in difference_in_words(alike)


def test_agents_that_fail_more_than_others_are_seen_to() -> None:
    factors = AgentFactors()
    for _ in range(100):
        learned(factors, "good", "render", 10.0, 1)
        factors.note_failure("bad", "render")
    found = agent_map(factors, ("good", "bad"), ("render",))
    assert (found.speeds_differ, found.successes_differ) == (False, True)
    assert "differ in success by more" in difference_in_words(found)
    both = AgentMap((), (), (), 0, 0, True, True)
    assert "in speed and success" in difference_in_words(both)


@pytest.mark.parametrize(
    ("cell", "text", "told"),
    [
        (AgentAtType(1.3, 50, 0.9, 60), "+30", "takes 30% longer than others, from the last 50 runs"),
        (AgentAtType(0.8, 50, 1.0, 1), "−20", "100% of the last attempt succeeded"),
        (AgentAtType(1.001, 50, None, 0), "0", "takes as long as others"),
        (AgentAtType(None, 3, 0.5, 6), "few", "3 runs: too few to tell; 50% of the last 6 attempts succeeded"),
    ],
)
def test_a_cell_tells_speed_and_success(cell: AgentAtType, text: str, told: str) -> None:
    made = cell_of("coder-1", "render", cell)
    assert made is not None
    assert made.text == text
    assert made.told.startswith("coder-1, render")
    assert told in made.told
    assert made.value == (None if cell.slowness is None else pytest.approx(math.log(cell.slowness)))
    bare = cell_of("coder-1", "render", cell, has_number=False)
    assert bare is not None
    assert bare.text == ""


def test_plotly_accepts_upright_names_and_they_get_room() -> None:
    found = agent_map(two_agents(), ("quick", "slow"), ("render",))
    cells = [[cell_of("a", "b", cell) for cell in row] for row in found.cells]
    columns = GridNames(found.types, found.agents, 2, are_columns_upright=True)
    figure = go.Figure(grid_spec(columns, cells, SCALE))
    assert figure.layout.xaxis.tickangle == -90
    assert go.Figure(grid_spec(GridNames(found.types, found.agents, 2), cells, SCALE)).layout.xaxis.tickangle == 0
    assert grid_height_px(1, found.agents) > grid_height_px(1)
