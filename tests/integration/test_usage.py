"""What an attempt used is measured, in every isolation that allows it and however it ended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskyard.core.protocol import Done
from tests.integration.slot_bench import Bench

MEBIBYTE = 1 << 20
LARGE_BYTES = 150 * MEBIBYTE


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.runners.close(kill=True)


def ended(done: Done | None) -> Done:
    assert done is not None
    return done


def work(bench: Bench, isolation: str = "process", **given: object) -> Done:
    return ended(bench.done(f"{isolation}.work", given))


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_cpu_is_that_of_the_attempt(bench: Bench, isolation: str) -> None:
    busy, idle = work(bench, isolation, cpu_seconds=0.3), work(bench, isolation)
    assert 0.3 <= (busy.cpu_seconds or 0) < 1.0
    assert 0 <= (idle.cpu_seconds or 0) < 0.2


def test_cpu_of_ended_children_counts(bench: Bench) -> None:
    assert 0.3 <= (work(bench, cpu_seconds=0.3, in_child=True).cpu_seconds or 0) < 2.0


def test_peak_of_one_attempt_is_not_the_next_one_s(bench: Bench) -> None:
    before = work(bench).peak_memory_bytes or 0
    large = work(bench, memory_bytes=LARGE_BYTES).peak_memory_bytes or 0
    after = work(bench).peak_memory_bytes or 0
    assert large > before + LARGE_BYTES * 0.9
    assert after < before + LARGE_BYTES * 0.5


def test_peak_in_a_thread_is_not_known(bench: Bench) -> None:
    assert work(bench, "thread").peak_memory_bytes is None


def test_killed_at_its_timeout(bench: Bench) -> None:
    work(bench)
    done = ended(bench.done("process.spin", timeout_seconds=0.4))
    assert done.failure is not None
    assert 0 < (done.cpu_seconds or 0) < 2.0
    assert (done.peak_memory_bytes or 0) > MEBIBYTE


def test_crashed(bench: Bench) -> None:
    """Its memory is gone with it; what it used of the CPU is known until it is reaped."""
    done = ended(bench.done("process.die", {"case": "segfault"}))
    assert done.failure is not None
    assert done.cpu_seconds is None or 0 <= done.cpu_seconds < 5
    assert done.peak_memory_bytes is None
