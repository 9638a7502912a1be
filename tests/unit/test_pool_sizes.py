"""How a pool gets from the agents that it has to the number that is wanted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.scheduling.pool_sizes import SizeChange, size_change


def test_the_highest_numbers_leave_and_the_lowest_free_ones_start() -> None:
    assert size_change([1, 2, 3, 4], [], 2) == SizeChange(leave=(4, 3))
    assert size_change([1, 3], [], 4) == SizeChange(start=(2, 4))
    assert size_change([1, 2], [], 2) == SizeChange()
    assert size_change([], [], 0) == SizeChange()


def test_a_growing_pool_does_not_wait_for_an_agent_that_leaves() -> None:
    assert size_change([1], [2, 3], 3) == SizeChange(start=(4, 5))


numbers = st.sets(st.integers(1, 20))


@given(numbers, numbers, st.integers(0, 25))
def test_any_pool_gets_exactly_what_is_wanted(staying: set[int], others: set[int], wanted: int) -> None:
    leaving = others - staying
    change = size_change(staying, leaving, wanted)
    assert not (change.start and change.leave)
    assert len(staying) + len(change.start) - len(change.leave) == wanted
    assert set(change.leave) <= staying
    assert not set(change.start) & (staying | leaving)
    assert len(set(change.start)) == len(change.start)
    settled = size_change((staying | set(change.start)) - set(change.leave), leaving | set(change.leave), wanted)
    assert settled == SizeChange()
