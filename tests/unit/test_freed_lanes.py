"""How much room is offered to tasks before a transaction frees them."""

from __future__ import annotations

from taskyard.core.models import Lane
from taskyard.worker.dispatch.freed_lanes import FreedLanes

ONE, OTHER = Lane("default", "demo.one"), Lane("default", "demo.other", ("gpu",))


def test_nothing_is_expected_before_anything_was_freed() -> None:
    lanes = FreedLanes()
    assert lanes.expected(100) == {}
    lanes.note(100, {})
    assert lanes.expected(100) == {}


def test_as_many_as_of_late_are_expected_for_each_end_and_a_few_more() -> None:
    lanes = FreedLanes()
    lanes.note(128, {ONE: 128, OTHER: 16})
    assert lanes.expected(128) == {ONE: 141, OTHER: 18}
    assert lanes.expected(10) == {ONE: 11, OTHER: 2}
    assert lanes.expected(0) == {ONE: 0, OTHER: 0}


def test_a_lane_that_frees_nothing_more_is_forgotten() -> None:
    lanes = FreedLanes()
    lanes.note(100, {ONE: 100})
    for _ in range(30):
        lanes.note(100, {OTHER: 100})
    assert lanes.expected(100).keys() == {OTHER}
    assert lanes.expected(100)[OTHER] <= 112
