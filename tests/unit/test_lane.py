"""A lane as text and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.models import Lane, Waiting

labels = st.from_regex(r"[a-z0-9._-]{1,64}", fullmatch=True)
types = st.from_regex(r"[a-z][a-z0-9_]{0,8}(\.[a-z][a-z0-9_]{0,8}){0,3}", fullmatch=True)


@given(labels, types, st.lists(labels, max_size=5).map(tuple))
def test_a_lane_reads_back(queue: str, task_type: str, requires: tuple[str, ...]) -> None:
    lane = Lane(queue, task_type, requires)
    assert Lane.parse(str(lane)) == lane


def test_the_text_of_a_lane() -> None:
    assert str(Lane("default", "code.run")) == "default|code.run|"
    assert str(Lane("default", "code.run", ("gpu", "python"))) == "default|code.run|gpu,python"


def test_different_tags_are_different_lanes() -> None:
    assert Lane("q", "t", ("a",)) != Lane("q", "t", ())
    assert len({Lane("q", "t", ("a",)), Lane("q", "t", ("a",)), Lane("q", "t")}) == 2


@pytest.mark.parametrize("text", ["", "default", "default|code.run", "a|b|c|d"])
def test_what_is_no_lane(text: str) -> None:
    with pytest.raises(ValueError, match="not as queue"):
        Lane.parse(text)


@pytest.mark.parametrize(("state", "is_due_later"), [("pending", False), ("scheduled", True)])
def test_a_waiting_task_from_its_row(state: str, is_due_later: bool) -> None:
    waiting = Waiting.from_row(("id", state, "q", "t", ["gpu"], 2, 12.5, 3.5))
    assert waiting == Waiting("id", Lane("q", "t", ("gpu",)), 2, 12.5, is_due_later, 3.5)
    assert Waiting.from_row(("id", state, "q", "t", None, 2, 12.5, 0.0)).lane == Lane("q", "t")
