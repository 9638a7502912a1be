"""A coroutine that blocks its event loop, wherever it does it: the others answer for nothing, and it is named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from taskyard.worker.attempts.channel import KEPT_FROM_RUNNING
from taskyard.worker.isolation import async_slot, loop_watch, watch
from tests.integration.slot_bench import Bench, Recorder, Started
from tests.servers import wait_until

SAID = "blocked the event loop"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(async_slot, "HAND_BACK_SECONDS", 0.5)
    monkeypatch.setattr(async_slot, "GRACE_SECONDS", 1.0)
    monkeypatch.setattr(loop_watch, "REPORT_SECONDS", 0.5)
    bench = Bench()
    assert bench.value("async.noop", {"number": 1}) == {"number": 1}
    yield bench
    bench.runners.close(kill=True)


def block(bench: Bench, where: str = "child", seconds: float = 2.0) -> Started:
    channel = Recorder(lambda _: time.sleep(seconds))
    given = {"where": where, "seconds": seconds}
    blocker = bench.begin("async.blocks_elsewhere", given, channel, timeout_seconds=20.0)
    time.sleep(0.2)  # the loop is in it
    return blocker


def running(bench: Bench, given: object, **options: Any) -> Started:
    """Begins a task on the other slot, and waits until its coroutine runs."""
    victim = bench.begin("async.says_and_sleeps", given, slot=1, **options)
    wait_until(lambda: victim.channel.emitted)
    return victim


@pytest.mark.parametrize("where", ["child", "callback", "checkpoint"])
def test_what_has_not_begun_goes_back_and_the_blocker_is_named(
    bench: Bench, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    blocker = block(bench, where, 1.5)
    began = time.monotonic()
    error_class, reason = bench.failure("async.noop", {"number": 1}, slot=1, timeout_seconds=0.5)
    assert time.monotonic() - began < 1.2
    assert error_class == KEPT_FROM_RUNNING
    assert f"by task {blocker.run.task_id} of type async.blocks_elsewhere, at " in reason
    assert reason.endswith("so it did not start")
    done = blocker.end()
    assert done is not None
    assert done.failure is None
    wait_until(lambda: len([r for r in caplog.records if SAID in r.getMessage()]) == 2)
    assert f"task {blocker.run.task_id} of type async.blocks_elsewhere {SAID}" in caplog.text
    assert "in async_blocks_elsewhere" in caplog.text or "in block" in caplog.text
    lines = [message["message"] for message in blocker.channel.emitted if message["kind"] == "log"]
    assert "so far, so that 1 other tasks could not run" in lines[0]
    assert "so far" not in lines[-1]
    assert "in checkpoint" in lines[-1] or "in block" in lines[-1]


def test_what_has_begun_gets_its_time_back(bench: Bench) -> None:
    victim = running(bench, {"seconds": 0.5}, timeout_seconds=1.0)
    block(bench, seconds=1.0).end()
    done = victim.end()
    assert done is not None
    assert done.failure is None, done.failure


def test_what_has_begun_goes_back_if_it_is_blocked_for_long(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_slot, "MAX_EXTENSION_SECONDS", 0.8)
    monkeypatch.setattr(watch, "MAX_EXTENSION_SECONDS", 0.8)
    victim = running(bench, {"seconds": 0.9}, timeout_seconds=1.0)
    blocker = block(bench, seconds=30.0)
    error_class, reason = victim.failure()
    assert error_class == KEPT_FROM_RUNNING
    assert blocker.run.task_id in reason
    assert reason.endswith("so it could not continue")
    assert bench.runners.cancel(*blocker.pair)
    assert blocker.failure()[0] == "cancelled"
    assert bench.value("async.noop", {"number": 7}, slot=1) == {"number": 7}
    assert bench.stuck == bench.hopeless == []


def test_a_run_that_takes_too_long_by_itself_is_timed_out_all_the_same(bench: Bench) -> None:
    victim = running(bench, {"seconds": 30}, timeout_seconds=0.5)
    block(bench, seconds=1.0).end()
    assert victim.failure() == ("timeout", "ran longer than its timeout of 0.5 s")


@pytest.mark.parametrize("has_begun", [True, False])
def test_cancelling_a_neighbour_of_a_blocker_ends_it_and_no_process(bench: Bench, has_begun: bool) -> None:
    victim = running(bench, {"seconds": 30}) if has_begun else None
    blocker = block(bench, seconds=1.5)
    victim = victim or bench.begin("async.sleep", {"seconds": 30}, slot=1)
    wait_until(lambda: bench.runners.cancel(*victim.pair), 5, "it is there")  # before it is handed back
    assert victim.failure()[0] == "cancelled"
    assert blocker.end() is not None
    assert bench.stuck == bench.hopeless == []
    assert bench.value("async.noop", {"number": 7}, slot=1) == {"number": 7}


@pytest.mark.parametrize("where", ["callback", "finally"])
def test_the_blocker_is_stopped_at_its_timeout_and_its_error_says_where(bench: Bench, where: str) -> None:
    for _ in range(3):  # on a busy machine the look may come when the blocker was stopped already
        error = bench.done("async.blocks_elsewhere", {"where": where, "seconds": 20}, timeout_seconds=0.5)
        assert error is not None
        assert error.failure is not None
        if "loops.py" in error.failure.message:
            break
    assert error.failure.error_class == "timeout"
    assert error.failure.message.startswith("ran longer than its timeout of 0.5 s; it blocked its event loop for ")
    assert "loops.py" in error.failure.message
    assert "in block" in (error.failure.traceback or "")
    assert bench.stuck == []
    assert bench.value("async.noop", {"number": 7}) == {"number": 7}


def test_a_blocker_that_can_not_be_stopped_says_where(bench: Bench) -> None:
    assert bench.done("async.blocking_sleep", {"seconds": 6}, timeout_seconds=0.3) is None
    [(_, done)] = bench.stuck
    assert done.failure is not None
    assert "; it blocked its event loop for " in done.failure.message
    assert done.failure.message.endswith("and its thread did not stop within 2 s")
    assert "in async_blocking_sleep" in (done.failure.traceback or "")


def test_a_loop_that_no_running_task_blocks_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_watch, "UNOWNED_SECONDS", 0.7)
    assert bench.value("async.blocks_elsewhere", {"where": "left behind", "seconds": 1.5}) == {}
    time.sleep(0.3)
    error_class, reason = bench.failure("async.noop", {"number": 1}, slot=1)
    assert error_class == KEPT_FROM_RUNNING
    assert "async.blocks_elsewhere" in reason
    wait_until(lambda: bench.hopeless != [])


@pytest.mark.parametrize("isolation", ["thread", "async"])
def test_time_in_which_the_whole_process_stands_still_is_nobody_s(bench: Bench, isolation: str) -> None:
    """A call into C that keeps the interpreter, in a thread's handler or in a coroutine."""
    victim = bench.begin(f"{isolation}.sleep", {"seconds": 0.3}, slot=1, timeout_seconds=3.0)
    if isolation == "thread":
        assert bench.value("thread.gil_sleep", {"seconds": 4.0}) == {}
    else:
        block(bench, "gil", 4.0).end()
    done = victim.end()
    assert done is not None
    assert done.failure is None, done.failure


@pytest.mark.parametrize("case", ["cancel", "exit", "stop"])
def test_a_coroutine_that_ends_others_costs_none_of_them_its_process(bench: Bench, case: str) -> None:
    victim = bench.begin("async.sleep", {"seconds": 1.0}, slot=1)
    time.sleep(0.2)
    first = bench.done("async.ends_others", {"case": case})
    assert first is not None
    done = victim.end()
    assert done is not None
    if case == "cancel":
        assert done.failure is not None
        assert done.failure.error_class == "transient"
        assert "another one on its event loop" in done.failure.message
    else:
        assert done.failure is None
    assert bench.value("async.noop", {"number": 7}) == {"number": 7}
