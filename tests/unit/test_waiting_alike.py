"""Tasks that wait alike keep their order, however they are split."""

from __future__ import annotations

import pytest

from taskyard.core.models import Lane, Waiting
from taskyard.core.waiting_alike import WaitingAlike, in_batches

WORK, OTHER = Lane("default", "demo.work"), Lane("default", "demo.other")


def group(lane: Lane, *ids: str) -> WaitingAlike:
    return WaitingAlike(lane, 1, 5.0, 2.0, list(ids))


def test_each_one_waits_like_the_others() -> None:
    assert group(WORK, "a", "b").each() == [
        Waiting("a", WORK, 1, 5.0, False, 2.0),
        Waiting("b", WORK, 1, 5.0, False, 2.0),
    ]


@pytest.mark.parametrize("most", range(1, 8))
def test_batches_are_full_but_for_the_last_one(most: int) -> None:
    groups = [group(WORK, "a", "b", "c"), group(OTHER), group(OTHER, "d"), group(WORK, "e", "f")]
    batches = list(in_batches(groups, most))
    counts = [sum(len(part.ids) for part in batch) for batch in batches]
    assert counts == [most] * (6 // most) + ([6 % most] if 6 % most else [])
    told = [task for batch in batches for part in batch for task in part.each()]
    assert told == [task for one in groups for task in one.each()]


def test_there_may_be_none() -> None:
    assert list(in_batches([], 3)) == []
