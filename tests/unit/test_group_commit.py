"""Group commit: own results, shared errors, handing over the lead."""

from __future__ import annotations

import ctypes
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import pytest

from taskyard.core.chunks import PORTION_BYTES
from taskyard.core.errors import Unavailable
from taskyard.core.submission.group_commit import MAX_BATCH, GroupCommitter
from tests.servers import wait_until

THREADS = 16
ITEMS = 200


class Gate:
    """A commit that waits until it is opened, and keeps the batches that it saw."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.opened = threading.Semaphore(0)
        self.error: BaseException | None = None
        self.result_of: Callable[[int], int | None] = lambda item: item * 2
        self.size_of: Callable[[int], int] = lambda item: 1
        self.group: GroupCommitter[int, int | None] = GroupCommitter(self.commit, lambda item: self.size_of(item))

    def commit(self, items: Sequence[int]) -> list[int | None]:
        self.batches.append(list(items))
        assert self.opened.acquire(timeout=10)
        if self.error is not None:
            raise self.error
        return [self.result_of(item) for item in items]

    def submit(self, pool: ThreadPoolExecutor, *items: int) -> list[Future[int | None]]:
        """Callers that are waiting, in this order, when this returns."""
        futures = []
        for item in items:
            futures.append(pool.submit(self.group.run, item))
            wait_until(lambda item=item: any(item in batch for batch in (*self.batches, self.waiting())))
        return futures

    def waiting(self) -> list[int]:
        return [call.item for call in list(self.group._queue)]


@pytest.fixture
def gate() -> Gate:
    return Gate()


def test_every_caller_gets_the_result_of_its_own_item() -> None:
    sizes: list[int] = []
    running = threading.Lock()

    def commit(items: Sequence[tuple[int, int]]) -> list[str]:
        assert running.acquire(blocking=False), "two batches at the same time"
        sizes.append(len(items))
        results = [f"{thread}/{number}" for thread, number in items]
        running.release()
        return results

    group: GroupCommitter[tuple[int, int], str] = GroupCommitter(commit, lambda item: 1)
    together = threading.Barrier(THREADS)

    def work(thread: int) -> list[str]:
        together.wait(10)
        return [group.run((thread, number)) for number in range(ITEMS)]

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(work, range(THREADS)))
    assert results == [[f"{thread}/{number}" for number in range(ITEMS)] for thread in range(THREADS)]
    assert sum(sizes) == THREADS * ITEMS


def test_one_caller_is_a_batch_of_one() -> None:
    group: GroupCommitter[int, int] = GroupCommitter(list, lambda item: 1)
    assert [group.run(number) for number in range(3)] == [0, 1, 2]


def test_those_who_come_meanwhile_are_the_next_batch(gate: Gate) -> None:
    with ThreadPoolExecutor(4) as pool:
        futures = gate.submit(pool, 1, 2, 3, 4)
        gate.opened.release()
        assert futures[0].result(10) == 2  # the first caller returns although work is left
        wait_until(lambda: len(gate.batches) == 2)
        gate.opened.release()
        assert [future.result(10) for future in futures[1:]] == [4, 6, 8]
    assert gate.batches == [[1], [2, 3, 4]]


def test_an_error_reaches_all_callers_of_its_batch_only(gate: Gate) -> None:
    with ThreadPoolExecutor(4) as pool:
        [first] = gate.submit(pool, 1)
        others = gate.submit(pool, 2, 3)
        gate.opened.release()
        assert first.result(10) == 2
        wait_until(lambda: len(gate.batches) == 2)
        [last] = gate.submit(pool, 4)
        gate.error = RuntimeError("refused")
        gate.opened.release()
        for future in others:
            with pytest.raises(RuntimeError, match="refused"):
                future.result(10)
        wait_until(lambda: len(gate.batches) == 3)
        gate.error = None
        gate.opened.release()
        assert last.result(10) == 8


def test_the_wrong_number_of_results_is_an_error() -> None:
    group: GroupCommitter[int, int] = GroupCommitter(lambda items: [], lambda item: 1)
    with pytest.raises(ValueError, match="shorter"):
        group.run(1)
    with pytest.raises(ValueError, match="shorter"):
        group.run(2)


def test_nothing_is_a_result_too(gate: Gate) -> None:
    gate.result_of = lambda item: None
    with ThreadPoolExecutor(3) as pool:
        futures = gate.submit(pool, 1, 2, 3)
        for _ in range(3):  # one more than there are batches
            gate.opened.release()
        assert [future.result(10) for future in futures] == [None] * 3
    assert gate.batches == [[1], [2, 3]]


def test_a_batch_has_a_limit(gate: Gate) -> None:
    count = MAX_BATCH + 20
    threads = [threading.Thread(target=gate.group.run, args=(number,), daemon=True) for number in range(count)]
    threads[0].start()
    wait_until(lambda: gate.batches)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: len(gate.waiting()) == count - 1)
    for _ in range(3):
        gate.opened.release()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert [len(batch) for batch in gate.batches] == [1, MAX_BATCH, 19]


def test_a_batch_is_bounded_in_bytes_too(gate: Gate) -> None:
    gate.size_of = lambda item: PORTION_BYTES // 2
    with ThreadPoolExecutor(6) as pool:
        futures = gate.submit(pool, 0, 1, 2, 3, 4, 5)
        for _ in range(4):
            gate.opened.release()
        assert [future.result(10) for future in futures] == [0, 2, 4, 6, 8, 10]
    assert gate.batches == [[0], [1, 2], [3, 4], [5]]


class Interrupted(BaseException):
    """As Ctrl-C, or a time limit, raises it in the middle of a call."""


def test_an_interrupted_commit_is_no_interruption_of_the_others(gate: Gate) -> None:
    gate.error = Interrupted()
    with ThreadPoolExecutor(4) as pool:
        [first] = gate.submit(pool, 1)
        others = gate.submit(pool, 2, 3)
        gate.opened.release()
        with pytest.raises(Interrupted):
            first.result(10)
        wait_until(lambda: len(gate.batches) == 2)
        assert gate.batches == [[1], [2, 3]]
        gate.opened.release()
        with pytest.raises(Interrupted):
            others[0].result(10)
        with pytest.raises(Unavailable, match="it may be stored, or not"):
            others[1].result(10)
    gate.error = None
    gate.opened.release()
    assert gate.group.run(4) == 8


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # what meets the test's own code
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # or a hook of somebody else
def test_an_interruption_at_any_moment_leaves_the_others_a_leader() -> None:
    group: GroupCommitter[int, int] = GroupCommitter(list, lambda item: 1)
    is_over = threading.Event()
    served = [0] * 4

    def work(thread: int) -> None:
        while not is_over.is_set():
            with suppress(Interrupted):
                while not is_over.is_set():
                    assert group.run(thread) == thread
                    served[thread] += 1

    threads = [threading.Thread(target=work, args=(thread,), daemon=True) for thread in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        seen = list(served)
        chosen = random.choice(threads[1:])
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(chosen.ident or 0), ctypes.py_object(Interrupted))
        wait_until(lambda seen=seen: served[0] > seen[0])
    is_over.set()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert group.run(7) == 7
