"""The diagram of states knows every legal transition."""

from __future__ import annotations

import itertools

import pytest

from taskyard.core.states import TRANSITIONS, WAITING, TaskState
from taskyard.dashboard.pages.task.state_diagram import BENDS, BOX, PLACES, curve_of, numbers_of

LEGAL = [(None, state) for state in sorted(WAITING)] + [(a, b) for a, ends in TRANSITIONS.items() for b in sorted(ends)]


def test_every_state_has_its_place() -> None:
    assert set(PLACES) == set(TaskState)
    assert set(BENDS) <= set(LEGAL)
    for (x, y), (other_x, other_y) in itertools.combinations(PLACES.values(), 2):
        assert abs(x - other_x) > 2 * BOX[0] or abs(y - other_y) > 2 * BOX[1]


@pytest.mark.parametrize("step", LEGAL, ids=str)
def test_no_transition_runs_through_another_state(step) -> None:
    for point in curve_of(step):
        for state, (x, y) in PLACES.items():
            assert state in step or abs(point[0] - x) >= BOX[0] or abs(point[1] - y) >= BOX[1], state


@pytest.mark.parametrize("step", LEGAL, ids=str)
def test_enough_of_each_transition_can_be_seen(step) -> None:
    assert len(curve_of(step)) >= 10


def test_a_transition_knows_all_its_places_in_the_path() -> None:
    path = [(None, "pending"), ("pending", "assigned"), ("assigned", "pending"), ("pending", "assigned")]
    assert numbers_of(path) == {(None, "pending"): [1], ("pending", "assigned"): [2, 4], ("assigned", "pending"): [3]}
