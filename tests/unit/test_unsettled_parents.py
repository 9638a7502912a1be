"""The leader's short list of parents whose children are left: when the next slice is due, whatever the sweep finds."""

from __future__ import annotations

from taskyard.core.postgres.store.dependants import NONE, Ended
from taskyard.worker.dispatch.unsettled_parents import MAX_PAUSE_SECONDS, UnsettledParents


def test_what_moved_goes_on_at_once_and_what_did_not_waits_longer_and_longer() -> None:
    unsettled_parents = UnsettledParents()
    assert unsettled_parents.take(0.0) == NONE
    unsettled_parents.note(Ended(["a"], ["b"]), 1.0, has_moved=True)
    assert unsettled_parents.take(1.0) == Ended(["a"], ["b"])
    pauses, now = [], 1.0
    for _ in range(10):
        unsettled_parents.note(Ended(["a"], []), now, has_moved=False)
        due = unsettled_parents.next_due()
        assert due is not None
        pauses.append(due - now)
        assert unsettled_parents.take(due - 0.001) == NONE
        now = due
        assert unsettled_parents.take(now) == Ended(["a"], [])
    rounded = [round(pause, 6) for pause in pauses]
    assert rounded == sorted(rounded)
    assert rounded[-1] == MAX_PAUSE_SECONDS


def test_what_the_sweep_finds_again_and_again_does_not_put_the_next_slice_off() -> None:
    unsettled_parents = UnsettledParents()
    for number in range(8):
        unsettled_parents.note(Ended(["a"], []), float(number), has_moved=False)
        unsettled_parents.take(float(number) + 0.9)
    unsettled_parents.note(Ended(["a"], []), 10.0, has_moved=False)
    for number in range(20):
        unsettled_parents.note_found(Ended(["a"], []), None, 10.0 + number / 10)
        unsettled_parents.note(NONE, 10.0 + number / 10, has_moved=False)
    assert unsettled_parents.take(10.0 + MAX_PAUSE_SECONDS) == Ended(["a"], [])


def test_what_the_sweep_finds_is_due_at_once() -> None:
    unsettled_parents = UnsettledParents()
    unsettled_parents.note_found(Ended([], ["b"]), "b", 5.0)
    assert unsettled_parents.next_sweep() == "b"
    assert unsettled_parents.take(5.0) == Ended([], ["b"])
