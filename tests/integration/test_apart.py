"""An engine's client in a process of its own: it may end, hang, or get the agent's signals."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psutil
import pytest
from msgspec.structs import replace

from taskyard.worker.engines.apart import CLIENT_MODULE, ApartEngine
from taskyard.worker.engines.engine import EngineProblem
from taskyard.worker.engines.late_engine import LateEngine
from taskyard.worker.engines.settings import EngineSettings
from tests.integration.seat_bench import SETTINGS, SeatBench
from tests.integration.slot_bench import is_dead
from tests.servers import wait_until


@pytest.fixture
def opened() -> list[ApartEngine]:
    return []


@pytest.fixture
def bench(opened: list[ApartEngine]) -> Iterator[SeatBench]:
    """Seats of an engine whose client is apart; `opened` gets each client."""

    def open_engine(settings: EngineSettings) -> ApartEngine:
        opened.append(ApartEngine(settings))
        return opened[-1]

    made = SeatBench(
        settings=replace(SETTINGS, idle_seconds=0.0),
        make=lambda settings: LateEngine(settings, lambda: open_engine(settings)),
    )
    yield made
    made.runners.close(kill=True)


def pid_of(engine: ApartEngine) -> int:
    return engine._process.pid


def let_go(bench: SeatBench) -> None:
    """Has the next attempt need another seat."""
    bench.runners.release(0)
    wait_until(lambda: not bench.runners.links)


def test_seats_run_and_end_with_the_client(bench: SeatBench, opened: list[ApartEngine]) -> None:
    assert bench.value("thread.noop", {"number": 1}) == {"number": 1}
    seat, client = bench.seat().pid, pid_of(opened[0])
    bench.runners.close(kill=True)
    wait_until(lambda: is_dead(seat) and is_dead(client))


def test_client_that_has_ended_is_replaced(bench: SeatBench, opened: list[ApartEngine]) -> None:
    assert bench.value("thread.noop", {"number": 1}) == {"number": 1}
    let_go(bench)
    os.kill(pid_of(opened[0]), signal.SIGKILL)
    assert bench.value("thread.noop", {"number": 2}) == {"number": 2}
    assert len(opened) == 2


def test_client_that_hangs_is_replaced(
    bench: SeatBench, opened: list[ApartEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench.value("thread.noop", {"number": 1}) == {"number": 1}
    monkeypatch.setattr(ApartEngine._ask, "__kwdefaults__", {"seconds": 1.0})
    let_go(bench)
    os.kill(pid_of(opened[0]), signal.SIGSTOP)
    assert bench.value("thread.noop", {"number": 2}) == {"number": 2}
    assert len(opened) == 2
    assert is_dead(pid_of(opened[0]))


def test_signals_for_all_processes_of_a_service_leave_the_client(bench: SeatBench, opened: list[ApartEngine]) -> None:
    assert bench.value("thread.noop", {"number": 1}) == {"number": 1}
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(pid_of(opened[0]), number)
    assert bench.value("thread.noop", {"number": 2}, slot=1) == {"number": 2}
    assert len(opened) == 1
    assert not opened[0].is_lost()


def test_what_the_engine_raises_comes_in_one_line() -> None:
    engine = ApartEngine(SETTINGS)
    try:
        with pytest.raises(EngineProblem, match=r"^local, asked to problem: KeyError: 'nobody'$"):
            engine.problem("nobody")
    finally:
        engine.close()
    with pytest.raises(EngineProblem, match=r"^the client of local has ended, asked to why$"):
        engine.why("nobody")


def test_engine_that_does_not_open_leaves_no_process() -> None:
    with pytest.raises(EngineProblem, match=r"^engine\.certificate: missing"):
        ApartEngine(EngineSettings("edge", options={"sites": "/nowhere"}))
    clients = [child for child in psutil.Process().children() if CLIENT_MODULE in child.cmdline()]
    assert clients == []
