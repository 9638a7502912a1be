"""The sweep goes round, and a rebuild begins at once and ends."""

from __future__ import annotations

from taskyard.core.postgres.store.recovery import NIL
from taskyard.worker.dispatch.sweep_position import REBUILD_SLICE, SWEEP_SLICE, SweepPosition
from tests.unit.leader_state_support import task_id


def test_the_sweep_goes_round() -> None:
    sweep = SweepPosition()
    assert (sweep.next_slice().after, sweep.next_slice().limit) == (NIL, SWEEP_SLICE)
    sweep.note(task_id(7))
    assert sweep.next_slice().after == task_id(7)
    sweep.note(None)
    assert sweep.next_slice().after == NIL


def test_a_rebuild_begins_at_once_and_ends() -> None:
    sweep = SweepPosition()
    sweep.note(task_id(7))
    sweep.rebuild()
    assert sweep.is_rebuilding
    assert (sweep.next_slice().after, sweep.next_slice().limit) == (NIL, REBUILD_SLICE)
    sweep.note(task_id(9))
    assert sweep.is_rebuilding
    sweep.note(None)
    assert not sweep.is_rebuilding
