"""What an agent has read and not started."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from taskyard.core.protocol import Run
from taskyard.core.states import Priority
from taskyard.worker.agents.local_queue import LocalQueue
from tests.servers import wait_until
from tests.unit.leader_state_support import task_id

runs_of = st.lists(st.tuples(st.sampled_from(Priority), st.sampled_from(["demo.short", "demo.long"])), max_size=30)


def run(number: int, priority: int = Priority.MEDIUM, task_type: str = "demo.long", attempt: int = 1) -> Run:
    return Run(task_id(number), attempt, task_type, Raw(b"{}"), 60.0, None, int(priority))


def batch_limit(run: Run) -> int:
    return 4 if run.task_type == "demo.short" else 1


def taken_from(queue: LocalQueue) -> list[Run]:
    """One batch; nothing once the queue is closed."""
    batch: list[Run] = []
    assert queue.take(batch) == bool(batch)
    return batch


@pytest.fixture
def queue() -> LocalQueue:
    return LocalQueue(batch_limit)


@given(runs_of)
def test_everything_comes_out_once_and_in_order(drawn: list[tuple[Priority, str]]) -> None:
    queue = LocalQueue(batch_limit)
    queue.put([run(i, priority, task_type) for i, (priority, task_type) in enumerate(drawn)])
    taken: list[Run] = []
    while len(taken) < len(drawn):
        batch = taken_from(queue)
        assert batch
        assert len(batch) <= batch_limit(batch[0])
        assert len({(each.task_type, each.priority) for each in batch}) == 1
        taken += batch
    numbers = {task_id(i): i for i in range(len(drawn))}
    assert [(-each.priority, numbers[each.task_id]) for each in taken] == sorted(
        (-priority, i) for i, (priority, _) in enumerate(drawn)
    )


def test_short_runs_are_taken_together_up_to_the_next_long_one(queue: LocalQueue) -> None:
    kinds = ["demo.short"] * 2 + ["demo.long"] * 2 + ["demo.short"] * 5
    queue.put([run(i, task_type=kind) for i, kind in enumerate(kinds)])
    assert [len(taken_from(queue)) for _ in range(5)] == [2, 1, 1, 4, 1]


def test_an_urgent_run_overtakes(queue: LocalQueue) -> None:
    queue.put([run(1), run(2)])
    queue.put([run(3, Priority.URGENT), run(4, Priority.LOW)])
    assert [taken_from(queue)[0].task_id for _ in range(4)] == [task_id(n) for n in (3, 1, 2, 4)]


def test_only_the_named_attempt_is_removed(queue: LocalQueue) -> None:
    queue.put([run(1, attempt=2), run(2)])
    assert not queue.remove((task_id(1), 1))
    assert queue.remove((task_id(1), 2))
    assert not queue.remove((task_id(1), 2))
    assert queue.clear() == [(task_id(2), 1)]


def test_clearing_returns_everything_and_the_queue_goes_on(queue: LocalQueue) -> None:
    queue.put([run(1), run(2, Priority.URGENT)])
    assert queue.clear() == [(task_id(2), 1), (task_id(1), 1)]
    assert queue.clear() == []
    queue.put([run(3)])
    assert taken_from(queue) == [run(3)]


def test_closing_ends_every_take_and_returns_what_waits(queue: LocalQueue) -> None:
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(taken_from, queue) for _ in range(3)]
        assert queue.close() == []
        assert [future.result(10) for future in waiting] == [[]] * 3
    queue.put([run(1)])
    assert taken_from(queue) == []
    assert queue.close() == [(task_id(1), 1)]


def test_many_takers_get_every_run_once(queue: LocalQueue) -> None:
    def take_all() -> list[str]:
        taken: list[str] = []
        while batch := taken_from(queue):
            if batch[0].priority == Priority.LOW:
                break
            taken += [each.task_id for each in batch]
        return taken

    with ThreadPoolExecutor(4) as pool:
        takers = [pool.submit(take_all) for _ in range(4)]
        for start in range(0, 400, 10):
            queue.put([run(number, task_type="demo.short") for number in range(start, start + 10)])
        queue.put([run(1000 + number, Priority.LOW) for number in range(4)])  # one end for each taker
        taken = sorted(number for future in takers for number in future.result(20))
    assert taken == [task_id(number) for number in range(400)]


def test_a_take_that_is_cut_short_loses_nothing(queue: LocalQueue) -> None:
    class Full(list[Run]):
        def append(self, run: Run) -> None:
            raise MemoryError

    queue.put([run(1), run(2)])
    with pytest.raises(MemoryError):
        queue.take(Full())
    assert queue.clear() == [(task_id(1), 1), (task_id(2), 1)]


class Counting(threading.Condition):
    """Counts the takers that were woken."""

    woken = 0

    def notify(self, n: int = 1) -> None:
        self.woken += min(n, len(self._waiters))  # type: ignore[attr-defined]
        super().notify(n)


@pytest.mark.parametrize(
    ("kinds", "woken"),
    [
        (["demo.short"] * 3, 1),
        (["demo.short"] * 5, 2),
        (["demo.short", "demo.long", "demo.short"], 3),
        (["demo.long"] * 2, 2),
        (["demo.long"] * 6, 3),
    ],
)
def test_as_many_slots_wake_as_there_are_batches(kinds: list[str], woken: int, queue: LocalQueue) -> None:
    queue._condition = counting = Counting()
    with ThreadPoolExecutor(3) as pool:
        takers = [pool.submit(taken_from, queue) for _ in range(3)]
        wait_until(lambda: queue.free_slots == 3)
        with counting:
            queue.put([run(number, task_type=kind) for number, kind in enumerate(kinds)])
            assert counting.woken == woken
        wait_until(lambda: not any(queue._waiting.values()) or all(taker.done() for taker in takers))
        queue.close()


def test_what_a_smaller_batch_leaves_goes_to_another_slot() -> None:
    limits = [4, 1, 1]  # as it is put here, and as two slots take it: the first one found it long
    queue = LocalQueue(lambda run: limits.pop(0))
    with ThreadPoolExecutor(2) as pool:
        takers = [pool.submit(taken_from, queue) for _ in range(2)]
        wait_until(lambda: queue.free_slots == 2)
        queue.put([run(1), run(2)])
        assert [len(taker.result(10)) for taker in takers] == [1, 1]


def test_a_queue_knows_which_slots_wait(queue: LocalQueue) -> None:
    assert queue.free_slots == 0
    queue.put([run(1)])
    assert queue.free_slots == -1
    assert taken_from(queue) == [run(1)]
    assert queue.free_slots == 0
