"""What a tick could not do: kept with its entries of the results, tried again, and let go once it is done."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.postgres.store.tick import Completion, Settlement, Stale
from taskyard.worker.dispatch.batch import Batch
from taskyard.worker.dispatch.postponed import FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS, SLICE, Postponed


def completion(name: str) -> Completion:
    return Completion(name, 1, "{}", 1.0, 0.1)


def ended(*names: str, entry: bytes = b"1-0") -> Batch:
    """A batch with the ends of tasks, all of one entry."""
    batch = Batch(consumed=[entry], completions=[completion(name) for name in names])
    batch.sources = dict.fromkeys(names, entry)
    return batch


def left(*names: str) -> Batch:
    return Batch(completions=[completion(name) for name in names])


def test_an_entry_is_deleted_once_everything_of_it_is_done() -> None:
    postponed = Postponed()
    assert postponed.settle(ended("a", "b", "c"), left("a", "b"), 0.0) == []
    assert postponed.holds_end("a", 1)
    assert not postponed.holds_end("a", 2)
    assert not postponed.holds_end("c", 1)
    again = Batch()
    postponed.add_due(again, FIRST_PAUSE_SECONDS)
    assert {item.id for item in again.completions} == {"a", "b"}
    assert postponed.settle(again, left("b"), FIRST_PAUSE_SECONDS) == []
    last = Batch()
    postponed.add_due(last, 1.0)
    assert [item.id for item in last.completions] == ["b"]
    assert postponed.settle(last, Batch(), 1.0) == [b"1-0"]
    assert len(postponed) == 0


def test_an_entry_that_others_still_need_is_theirs_to_delete() -> None:
    """Of an entry with a start that is held back, only what was postponed is over."""
    postponed = Postponed()
    batch = ended("a")
    batch.consumed = []  # the intake still holds the entry
    postponed.settle(batch, left("a"), 0.0)
    again = Batch()
    postponed.add_due(again, 1.0)
    assert postponed.settle(again, Batch(), 1.0) == []
    assert postponed.settle(Batch(consumed=[b"1-0"]), Batch(), 2.0) == [b"1-0"]


def test_pauses_grow_to_a_second() -> None:
    postponed, now, pauses = Postponed(), 0.0, []
    postponed.settle(ended("a"), left("a"), now)
    for _ in range(10):
        due = postponed.next_due()
        assert due is not None
        pauses.append(due - now)
        now = due
        batch = Batch()
        postponed.add_due(batch, now)
        postponed.settle(batch, left("a"), now)
    rounded = [round(pause, 6) for pause in pauses]
    assert rounded == sorted(rounded)
    assert (rounded[0], rounded[-1]) == (FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS)


def test_what_is_more_than_a_tick_may_do_waits_for_the_next() -> None:
    postponed = Postponed()
    batch = Batch(settlements=[Settlement(str(n), 1, "pending", "handed_back") for n in range(2 * SLICE + 5)])
    postponed.add_due(batch, 0.0)
    assert len(batch.settlements) == SLICE
    postponed.settle(batch, Batch(), 0.0)
    seen = {item.id for item in batch.settlements}
    for _ in range(2):
        later = Batch()
        postponed.add_due(later, 0.0)
        seen |= {item.id for item in later.settlements}
        postponed.settle(later, Batch(), 0.0)
    assert len(seen) == 2 * SLICE + 5
    assert len(postponed) == 0


def test_what_has_no_name_keeps_every_entry_of_its_tick() -> None:
    postponed = Postponed()
    stale = Stale("a", 1, None, "completed")
    batch = Batch(consumed=[b"1-0", b"2-0"], stale=[stale])
    assert postponed.settle(batch, Batch(stale=[stale]), 0.0) == []
    again = Batch()
    postponed.add_due(again, 1.0)
    assert again.stale == [stale]
    assert sorted(postponed.settle(again, Batch(), 1.0)) == [b"1-0", b"2-0"]


@given(st.lists(st.tuples(st.sets(st.integers(0, 9), max_size=4), st.sets(st.integers(0, 9))), max_size=20))
def test_no_entry_is_deleted_early_twice_or_never(ticks: list[tuple[set[int], set[int]]]) -> None:
    """Ticks with new ends, and with what somebody's locks keep back in each."""
    postponed, open_ends, deleted, now = Postponed(), {}, [], 0.0
    for number, (new, locked) in enumerate([*ticks, (set(), set()), (set(), set())]):
        now += 2 * MAX_PAUSE_SECONDS
        entry = f"{number}-0".encode()
        batch = ended(*(f"{number}/{n}" for n in new), entry=entry)
        open_ends.update({f"{number}/{n}": entry for n in new})
        postponed.add_due(batch, now)
        kept = [item for item in batch.completions if int(item.id.split("/")[1]) in locked]
        for item in batch.completions:
            if item not in kept:
                open_ends.pop(item.id)
        freed = postponed.settle(batch, Batch(completions=kept), now)
        assert not set(freed) & set(open_ends.values())
        deleted += freed
    assert not open_ends
    assert sorted(deleted) == sorted(f"{number}-0".encode() for number in range(len(ticks) + 2))
