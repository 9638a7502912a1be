"""Handlers in real threads, loops and processes: none gets away, none takes its slot along."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY, Mock

import psutil
import pytest

from taskyard.core.errors import PermanentError
from taskyard.core.task_types.registry import Isolation, registry
from taskyard.worker.attempts.channel import CANNOT_RUN
from taskyard.worker.isolation import async_slot, process_slot, watchdog
from taskyard.worker.isolation.slots import Runners
from tests.integration.seat_bench import SeatBench
from tests.integration.slot_bench import MODULES, Bench, Recorder, is_dead, keeper_of, lasting, parent_of, pid_in
from tests.servers import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", params=["here", pytest.param("seats", marks=pytest.mark.slow)])
def shared(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """For tests that leave their runners usable: in this process, and in seats."""
    bench = Bench() if request.param == "here" else SeatBench()
    yield bench
    bench.runners.close(kill=True)


@pytest.fixture
def bench(shared: Bench) -> Iterator[Bench]:
    shared.stuck.clear()
    yield shared
    assert shared.stuck == []
    for isolation in ("thread", "process", "async"):
        assert shared.value(f"{isolation}.noop", {"number": 7}) == {"number": 7}


@pytest.fixture
def own() -> Iterator[Bench]:
    """Runners of this test's own."""
    bench = Bench()
    yield bench
    bench.runners.close(kill=True)


# what a handler says


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_progress_log_checkpoint_and_requests(bench: Bench, isolation: str) -> None:
    channel = Recorder(lambda message: "child-1" if message["kind"] == "submit" else None)
    value = bench.value(f"{isolation}.talk", {"value": [1, "é"]}, channel=channel, checkpoint='{"step":2}')
    assert value == {"value": ["child-1", {"step": 2}, 2]}
    is_caught = isolation == "process" or not bench.is_here
    assert channel.emitted == [
        {"kind": "progress", "fraction": 0.5, "message": "half"},
        {"kind": "log", "level": "warning", "message": "a line"},
        *([{"kind": "output", "level": "stdout", "message": "this goes to the log"}] if is_caught else []),
    ]
    assert channel.requested == [
        {"kind": "checkpoint", "state": b'{"step":3}', "children": 0, "signals": {}},
        {"kind": "submit", "type": "demo.child", "input": b'{"a":1}', "options": {}, "key": ANY},
        {"kind": "send", "agent": "other", "message": {"hello": [1, "é"]}},
    ]


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_what_is_received_is_what_was_sent(bench: Bench, isolation: str) -> None:
    body = {"z": 1e16, "a": [None, -0.0, 2**63 - 1], "": "\u2028"}
    message = {"id": "1-1", "sender": "boss", "body": body, "deliveries": 1}
    answers = iter([{"message": one, "away": ""} for one in (None, message, None)])
    channel = Recorder(lambda message: next(answers))
    value = bench.value(f"{isolation}.receive", channel=channel)
    assert json.dumps(value) == json.dumps({"value": [body, "boss"]})
    assert channel.requested == [{"kind": "receive"}] * 3


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_refused_request_keeps_its_class(bench: Bench, isolation: str) -> None:
    def refuse(message: dict[str, Any]) -> None:
        raise PermanentError("no such type")

    assert bench.failure(f"{isolation}.refused", channel=Recorder(refuse)) == ("permanent", "no such type")


def test_broken_channel_is_a_transient_error_of_the_task(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def break_down(message: dict[str, Any]) -> None:
        raise OSError("no connection")

    assert bench.failure("process.refused", channel=Recorder(break_down)) == ("transient", "OSError: no connection")
    assert "a request of task" in caplog.text


def test_deadline_holds_while_a_request_waits(bench: Bench) -> None:
    answered = threading.Event()
    channel = Recorder(lambda message: answered.wait(20))
    assert bench.failure("process.slow_request", channel=channel, timeout_seconds=0.3)[0] == "timeout"
    answered.set()


def test_process_says_what_utf8_or_json_cannot_hold(bench: Bench) -> None:
    channel = Recorder()
    assert bench.value("process.log_surrogate", channel=channel) == {}
    assert channel.emitted[0]["message"] == "half \\ud800"
    error_class, message = bench.failure("process.checkpoint_object")
    assert error_class == "permanent"
    assert message.startswith("checkpoint: <object")
    assert "a JSON value" in message


@pytest.mark.what_can_fail(16)
@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize("case", ["nan", "nul", "surrogate", "big", "deep 100", "deep 500"])
def test_unstorable_output_is_the_task_s_failure(bench: Bench, isolation: str, case: str) -> None:
    assert bench.failure(f"{isolation}.output", {"case": case})[0] == "unstorable"


def test_unknown_type_goes_back(bench: Bench) -> None:
    assert bench.failure("demo.unknown") == (CANNOT_RUN, "it does not know type demo.unknown")


# timeouts


@pytest.mark.what_can_fail(10)
@pytest.mark.parametrize("handler", ["process.c_sleep", "process.sleep", "async.sleep"])
def test_sleep_ends_at_its_timeout(bench: Bench, handler: str) -> None:
    expected = ("timeout", "ran longer than its timeout of 0.3 s")
    with lasting(0.3, 2):
        assert bench.failure(handler, {"seconds": 30}, timeout_seconds=0.3) == expected


@pytest.mark.parametrize("handler", ["thread.spin", "process.spin", "thread.swallow", "process.swallow", "async.spin"])
def test_busy_handler_ends_at_its_timeout(bench: Bench, handler: str) -> None:
    """Also one that swallows every Exception in a loop, and a coroutine that blocks the loop."""
    assert bench.failure(handler, timeout_seconds=0.2)[0] == "timeout"


@pytest.mark.what_can_fail(10)
def test_masked_signals_do_not_help(bench: Bench) -> None:
    assert bench.failure("process.masked", timeout_seconds=0.3)[0] == "timeout"


@pytest.mark.parametrize("handler", ["thread.c_sleep", "thread.swallow_all", "async.blocking_sleep"])
def test_thread_that_does_not_stop_is_reported_once_and_its_late_end_does_not_count(
    own: Bench, handler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (watchdog, async_slot):
        monkeypatch.setattr(module, "GRACE_SECONDS", 0.5)
    assert own.done(handler, {"seconds": 1.8}, timeout_seconds=0.2) is None
    ((run, done),) = own.stuck
    assert run.task_type == handler
    assert done.failure is not None
    assert done.failure.error_class == "timeout"
    assert done.failure.message.endswith("and its thread did not stop within 0.5 s")
    isolation = handler.partition(".")[0]
    # a loop that is still blocked hands back what it can't begin
    wait_until(lambda: (found := own.done(f"{isolation}.noop", {"number": 1})) is not None and found.failure is None)
    assert len(own.stuck) == 1


@pytest.fixture
def _busy_watchdog(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The watchdog looks all the time, and threads take turns at every moment."""
    monkeypatch.setattr(watchdog, "POLL_SECONDS", 0.00002)
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.000005)
    yield
    sys.setswitchinterval(before)


# one that arrives in a callback of a weak reference is swallowed there, and sent no second time
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("_busy_watchdog")
def test_interruption_never_arrives_after_its_run(own: Bench) -> None:
    """Thousands of tasks end at about their deadline; the slot's thread goes on after each."""
    ends: dict[str, int] = {"success": 0, "timeout": 0}
    turns = 0
    for number in range(4000):
        seconds = 0.0002 + (number % 20) * 0.00002
        done = own.done("thread.spin_briefly", {"seconds": seconds}, timeout_seconds=0.0004)
        for _ in range(20):  # an exception that is under way would arrive in these bytecodes
            turns += 1
        assert done is not None
        ends["success" if done.failure is None else done.failure.error_class] += 1
    assert turns == 80_000
    assert min(ends.values()) > 100, ends
    assert own.stuck == []


# cancelling


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_cancelled_handler_may_clean_up(bench: Bench, tmp_path: Path, isolation: str) -> None:
    path = tmp_path / "state"
    started = bench.begin(f"{isolation}.wait_for_cancel", {"path": str(path)})
    wait_until(lambda: path.exists() and path.read_text() == "started")
    assert bench.runners.cancel(*started.pair)
    assert started.failure() == ("cancelled", f"task {started.run.task_id} was cancelled")
    assert path.read_text() == "cleaned up"


@pytest.mark.parametrize("handler", ["thread.spin", "process.sleep"])
def test_handler_that_does_not_look_is_stopped_after_the_grace(bench: Bench, handler: str) -> None:
    started = bench.begin(handler, {"seconds": 30})
    wait_until(lambda: bench.runners.cancel(*started.pair))
    with lasting(1.5, 4):
        assert started.failure() == ("cancelled", "cancelled while it ran")


def test_coroutine_is_cancelled_at_once(bench: Bench) -> None:
    started = bench.begin("async.sleep", {"seconds": 30})
    wait_until(lambda: bench.runners.cancel(*started.pair))
    with lasting(0, 1.5):
        assert started.failure()[0] == "cancelled"


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_cancel_that_came_before_the_start(bench: Bench, tmp_path: Path, isolation: str) -> None:
    channel = Recorder()
    channel.cancelled = True
    path = {"path": str(tmp_path / "state")}
    assert bench.failure(f"{isolation}.wait_for_cancel", path, channel=channel)[0] == "cancelled"


def test_cancel_of_another_attempt_does_nothing(bench: Bench) -> None:
    started = bench.begin("process.sleep", {"seconds": 0.5})
    task_id, attempt = started.pair
    assert not bench.runners.cancel(task_id, attempt + 1)
    assert not bench.runners.cancel("another", attempt)
    done = started.end()
    assert done is not None
    assert done.failure is None
    assert not bench.runners.cancel(task_id, attempt)


# crashes and leftovers


def test_crash_names_exit_code_or_signal(bench: Bench) -> None:
    expected = ("crashed", "the handler's process ended with exit code 7")
    assert bench.failure("process.die", {"case": "os._exit"}) == expected
    done = bench.done("process.die", {"case": "segfault"})
    assert done is not None
    assert done.failure is not None
    assert done.failure.error_class == "crashed"
    assert done.failure.message == "the handler's process was killed by SIGSEGV"
    assert "in die" in (done.failure.traceback or "")


@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize("case", ["sys.exit", "interrupt", "other"])
def test_exceptions_leave_the_slot_alone(bench: Bench, isolation: str, case: str) -> None:
    before = bench.value(f"{isolation}.pid")
    expected = "transient" if case == "other" else "crashed"
    assert bench.failure(f"{isolation}.die", {"case": case})[0] == expected
    assert bench.value(f"{isolation}.pid") == before


@pytest.mark.what_can_fail(10)
@pytest.mark.parametrize(("end", "expected"), [("wait", "timeout"), ("crash", "crashed"), ("return", None)])
def test_daemon_of_a_handler_dies_with_its_task(bench: Bench, tmp_path: Path, end: str, expected: str | None) -> None:
    """setsid and a double fork make it nobody's child and the leader of its own session."""
    path = tmp_path / end
    done = bench.done("process.leave_grandchild", {"path": str(path)}, timeout_seconds=1.5)
    assert done is not None
    assert (done.failure and done.failure.error_class) == expected
    assert is_dead(pid_in(path))


def test_forked_process_that_holds_the_socket_does_not_hide_the_crash(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    expected = ("crashed", "the handler's process ended with exit code 5")
    assert bench.failure("process.fork_and_die", {"path": str(path)}) == expected
    assert is_dead(pid_in(path))


def test_forked_copy_of_the_handler_ends_with_it(bench: Bench) -> None:
    assert bench.value("process.fork_and_return", {"number": 4}) == {"number": 0}


def test_child_is_reused_unless_a_thread_was_left(bench: Bench) -> None:
    first = bench.value("process.pid")
    assert bench.value("process.pid") == first
    assert bench.value("process.pid", slot=1) != first
    assert bench.value("process.leave_thread") == first
    assert bench.value("process.pid") != first
    assert is_dead(first["number"])


def test_child_that_died_between_two_tasks_is_replaced(bench: Bench) -> None:
    pid = bench.value("process.pid")["number"]
    assert pid > 1
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_dead(pid))
    assert bench.value("process.pid")["number"] != pid


def test_lost_keeper_is_replaced_and_nothing_of_it_is_left(own: Bench, tmp_path: Path) -> None:
    path = tmp_path / "wait"
    started = own.begin("process.leave_grandchild", {"path": str(path)})
    grandchild = pid_in(path)
    fork_server = keeper_of(own.value("process.pid", slot=1)["number"])
    assert parent_of(fork_server) == os.getpid()
    os.kill(fork_server, signal.SIGKILL)
    assert started.failure() == ("crashed", "the handler's process was lost together with its fork server")
    assert own.value("process.noop", {"number": 2}) == {"number": 2}
    wait_until(lambda: is_dead(grandchild))


def test_handler_that_breaks_the_protocol_is_ended(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    assert bench.failure("process.write_garbage")[0] == "crashed"
    assert "is abandoned" in caplog.text or not bench.is_here


def test_module_that_does_not_import_is_named() -> None:
    bench = Bench(modules=("tests.no_such_module",))
    try:
        error_class, message = bench.failure("process.noop")
    finally:
        bench.runners.close(kill=True)
    assert error_class == "crashed"
    start = "TASKYARD_TASK_MODULES: task module 'tests.no_such_module': does not import: ModuleNotFoundError"
    assert message.startswith(start)


def test_module_that_hangs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hanging_tasks.py").write_text("import time; time.sleep(3600)")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(process_slot, "START_SECONDS", 3.0)
    (tmp_path / "sitecustomize.py").write_text("import taskyard.core.task_types.modules as m; m.SLOW_SECONDS = 0.1")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{REPOSITORY}")
    bench = Bench(modules=("hanging_tasks",))
    try:
        error_class, message = bench.failure("process.noop")
    finally:
        bench.runners.close(kill=True)
    assert error_class == "crashed"
    assert message.startswith(
        "the handler's process could not be started: the handler's process was not ready within 3 s: "
        "task module 'hanging_tasks'"
    )
    assert "(TASKYARD_TASK_MODULES) is still being imported" in message


# ends


def test_close_kills_what_runs(tmp_path: Path) -> None:
    bench = Bench()
    path = tmp_path / "wait"
    started = bench.begin("process.leave_grandchild", {"path": str(path)})
    grandchild = pid_in(path)
    bench.runners.close(kill=True)
    assert started.end() is None
    assert is_dead(grandchild)


def test_close_without_kill_waits() -> None:
    bench = Bench()
    started = bench.begin("process.sleep", {"seconds": 0.6})
    wait_until(lambda: any(slot.busy.locked() for slot in bench.runners._process_slots))
    bench.runners.close(kill=False)
    done = started.end()
    assert done is not None
    assert done.failure is None


AGENT = """
import sys, threading
from tests.integration.seat_bench import SeatBench
from tests.integration.slot_bench import Bench
from taskyard.worker.isolation.process_tree import set_subreaper
set_subreaper(True)
bench = Bench()
bench.begin("process.leave_grandchild", {"path": sys.argv[1]})
print(bench.value("process.pid", slot=1)["number"], flush=True)
threading.Event().wait(60)
"""


@pytest.mark.what_can_fail(10)
def test_nothing_outlives_a_killed_agent(tmp_path: Path) -> None:
    path = tmp_path / "wait"
    with subprocess.Popen(
        [sys.executable, "-c", AGENT, str(path)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as agent:
        try:
            assert agent.stdout is not None
            child = int(agent.stdout.readline())
            grandchild = pid_in(path)
            assert not is_dead(child)
            assert not is_dead(grandchild)
            fork_server = keeper_of(child)
        finally:
            agent.kill()
    for pid in (child, grandchild, fork_server):
        wait_until(lambda pid=pid: is_dead(pid))


@pytest.mark.parametrize("isolation", [Isolation.PROCESS, Isolation.THREAD])
def test_only_an_agent_that_may_need_a_fork_server_starts_one(isolation: Isolation) -> None:
    before = {child.pid for child in psutil.Process().children()}
    names = {name for name, one in registry.types.items() if one.isolation is isolation}
    runners = Runners(registry, 1, 1 << 20, MODULES, Mock(), Mock(), takes=names.__contains__)
    try:
        started = {child.pid for child in psutil.Process().children()} - before
        assert names
        assert bool(started) is (isolation is Isolation.PROCESS)
    finally:
        runners.close(kill=True)
